package s3

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// The notes beside the bytes of an upload.
const (
	keyNote  = "sreg-key"  // what they become, escaped; only where Commit wrote them
	turnNote = "sreg-turn" // another one for each write, by which a writer knows its own
)

// endSession removes the record of a session that a writer left, and says whether it was still that one.
func (s *uploads) endSession(ctx context.Context, id string, left record) (bool, error) {
	can, err := s.conditions(ctx)
	if err != nil {
		return false, err
	}
	if can.deletes {
		return s.removeIf(ctx, uploadsDir+id, left.etag)
	}
	now, err := s.head(ctx, uploadsDir+id)
	if err != nil || now.etag != left.etag {
		return false, err
	}
	return true, s.remove(ctx, uploadsDir+id)
}

// settle removes the bytes of a session that has ended, but those that became an object, or may become
// one by a writer that was in the middle of its Commit: they become one here.
func (s *uploads) settle(ctx context.Context, id string, v session) error {
	if v.Multipart != nil {
		if err := s.abort(ctx, *v.Multipart); err != nil {
			return err
		}
	}
	for m, err := range s.multiparts(ctx, bytesDir+id+"~") {
		if err == nil {
			err = s.abort(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return s.settleAllData(ctx, id, v, "")
}

// settleAllData does so for all bytes of a session but those of one key.
func (s *uploads) settleAllData(ctx context.Context, id string, v session, but string) error {
	for page, err := range s.pages(ctx, listing{dir: bytesDir + id + "~", deep: true, first: wholePage}) {
		if err != nil {
			return err
		}
		for _, i := range page.items {
			if i.key == but {
				continue
			}
			d, notes, found, err := s.headData(ctx, i.key)
			if err == nil && found {
				err = s.settleData(ctx, d, notes, &v)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// settleData keeps the bytes if they are, or may become, what a key names.
func (s *uploads) settleData(ctx context.Context, d dataObject, notes map[string]string, v *session) error {
	key, err := url.QueryUnescape(notes[keyNote])
	if err != nil {
		return s.failure("read the notes of", d.Key, err)
	}
	if v != nil && v.Key != "" && v.final() == d.Key {
		key = v.Key
	}
	ours := false
	if key != "" {
		if err := s.check(key); err != nil {
			return err
		}
		_, ours, err = s.adopt(ctx, key, d, nil)
	}
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	if ours {
		return nil
	}
	return s.remove(ctx, d.Key)
}

// sweepUploads removes the tombstones of sessions, with what came in after their end, and multipart uploads
// that no session knows. It returns how many.
func (s *uploads) sweepUploads(ctx context.Context, olderThan time.Duration) (int, error) {
	removed, err := s.old(ctx, uploadsDir, max(olderThan, s.tombstones), func(i item) (bool, error) {
		if i.state != gone {
			return false, nil
		}
		return s.sweepSession(ctx, strings.TrimPrefix(i.key, uploadsDir))
	})
	aborted, abortErr := s.sweepMultiparts(ctx, olderThan)
	return removed + aborted, errors.Join(err, abortErr)
}

func (s *uploads) sweepSession(ctx context.Context, id string) (bool, error) {
	rec, err := s.load(ctx, uploadsDir+id)
	if err != nil || rec.etag == "" || rec.State != gone {
		return false, err
	}
	v, err := readSession(rec)
	if err != nil {
		return false, err
	}
	if err := s.settle(ctx, id, v); err != nil {
		return false, err
	}
	return s.endSession(ctx, id, rec)
}

// sweepMultiparts aborts what no open session has, nor can have.
func (s *uploads) sweepMultiparts(ctx context.Context, olderThan time.Duration) (int, error) {
	aborted := 0
	limit := s.now().Add(coarse - olderThan)
	for m, err := range s.multiparts(ctx, bytesDir) {
		if err != nil {
			return aborted, err
		}
		if m.begun.After(limit) {
			continue
		}
		wanted, err := s.wanted(ctx, m)
		if err != nil {
			return aborted, err
		}
		if wanted {
			continue
		}
		if err := s.abort(ctx, m); err != nil {
			return aborted, err
		}
		aborted++
	}
	return aborted, nil
}

// wanted tells whether the session of a multipart upload is open and has no other one: one without any
// may have a writer that has not saved yet.
func (s *uploads) wanted(ctx context.Context, m multipart) (bool, error) {
	id := uploadOf(m.Key)
	if id == "" {
		return true, nil // not ours
	}
	_, v, err := s.loadSession(ctx, id)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err != nil || v.Multipart == nil || v.Multipart.ID == m.ID, err
}
