package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// keptFor is how long a session is sure to keep its object from being condemned: a writer that is slower
// than this must look whether its object is still there.
const keptFor = 10 * time.Minute

func (s *uploads) CreateUpload(ctx context.Context, id string, label []byte) error {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return err
	}
	_, err := s.saveSession(ctx, id, session{Label: label, Begun: s.now().UTC()}, live, record{})
	if errors.Is(err, errStale) {
		err = fmt.Errorf("%w: session %s", storage.ErrExists, id)
	}
	if err != nil {
		return fmt.Errorf("create upload: %w", err)
	}
	return nil
}

// OpenUpload holds the session against other writers of this process. Those of others show when
// something is saved.
func (s *uploads) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return nil, err
	}
	held, err := s.holds.take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u := &upload{s: s, id: id, base: context.WithoutCancel(ctx), opened: time.Now(), held: held}
	if u.record, u.session, err = s.loadSession(ctx, id); err != nil {
		s.holds.drop(id, held)
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u.state = u.session.State
	u.inherited = u.session.Multipart != nil
	u.grew(u.session.Size)
	held.holding.Store(true)
	return u, nil
}

// StatUpload reads the session, and looks whether a writer of this process is further.
func (s *uploads) StatUpload(ctx context.Context, id string) (session storage.Session, label []byte, err error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return session, nil, err
	}
	rec, err := s.load(ctx, uploadsDir+id)
	shown := false
	if err == nil {
		session, label, shown, err = s.describe(id, rec)
	}
	if err == nil && !shown {
		err = fmt.Errorf("%w: session %s", storage.ErrNotExist, id)
	}
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", err)
	}
	return session, label, nil
}

// describe says what a record and the writer of this process make of a session. What has ended is not
// shown.
func (s *uploads) describe(id string, rec record) (session storage.Session, label []byte, shown bool, err error) {
	size, held, ended := s.holds.see(id)
	if !rec.there() || ended {
		return session, nil, false, nil
	}
	v, err := readSession(rec)
	if err != nil {
		return session, nil, false, fmt.Errorf("session %s: %w", id, err)
	}
	if !held {
		size = v.Size
	}
	return storage.Session{ID: id, Size: size, Begun: v.Begun}, v.Label, true, nil
}

func (s *uploads) ListUploads(ctx context.Context) iter.Seq2[storage.Session, error] {
	open := func(i item) bool { return i.state != gone }
	return found("list uploads", s.each(ctx, uploadsDir, open, s.load), func(r keyed) (storage.Session, bool, error) {
		session, _, shown, err := s.describe(strings.TrimPrefix(r.key, uploadsDir), r.record)
		return session, shown, err
	})
}

// Finish removes the session, if it is still the one that this writer left.
func (u *upload) Finish(ctx context.Context) (kept bool, err error) {
	if !u.committed || u.finished {
		return false, nil
	}
	u.finished = true
	ours, err := u.s.endSession(ctx, u.id, u.record)
	if err != nil {
		return false, fmt.Errorf("finish upload: %w", err)
	}
	return ours && u.kept && time.Since(u.opened) < keptFor, nil
}

// Cancel makes the session a tombstone, so that a writer that has stalled cannot go on, and then removes
// its bytes. Bytes that may have become an object, because Commit had begun, stay for the collector.
func (u *upload) Cancel(ctx context.Context) error {
	if u.ended {
		return nil
	}
	if u.held == nil {
		return fmt.Errorf("cancel upload: it is closed: %w", storage.ErrNotExist)
	}
	_ = u.awaitPart() // its bytes go
	now, err := u.s.saveSession(ctx, u.id, u.session, gone, u.record)
	if errors.Is(err, errStale) && !now.there() {
		err = nil // somebody else ended it, and may not have come to its bytes
	}
	if err != nil {
		return fmt.Errorf("cancel upload: %w", lost(now, err))
	}
	u.end()
	if err := u.s.settle(ctx, u.id, u.session); err != nil {
		return fmt.Errorf("cancel upload: %w", err)
	}
	return nil
}

// Close saves what was appended, or ends the session that was committed, also when the client has gone.
func (u *upload) Close() error {
	if u.held == nil {
		return nil
	}
	ctx, cancel := u.lasting()
	defer cancel()
	var err error
	switch {
	case u.committed:
		_, err = u.Finish(ctx)
	case u.unsaved && !u.ended && u.lost == nil:
		err = u.save(ctx)
	}
	u.s.memory.give(u.buf)
	u.buf = nil
	u.s.holds.drop(u.id, u.held)
	u.held = nil
	if err != nil {
		return fmt.Errorf("close upload: %w", err)
	}
	return nil
}
