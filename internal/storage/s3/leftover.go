package s3

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
)

// endSession removes the record of a session that a writer left, and says whether it was still that one.
func (s *Store) endSession(ctx context.Context, id string, left record) (bool, error) {
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
func (s *Store) settle(ctx context.Context, id string, v session) error {
	if v.Multipart != nil {
		if err := s.abort(ctx, *v.Multipart); err != nil {
			return err
		}
	}
	for m, err := range s.multiparts(ctx, bytesDir+id+"~") {
		if err == nil {
			err = s.abort(ctx, m.multipart)
		}
		if err != nil {
			return err
		}
	}
	return s.settleBytes(ctx, id, v, "")
}

// settleBytes does so for the objects of a session, but one.
func (s *Store) settleBytes(ctx context.Context, id string, v session, but string) error {
	for page, err := range s.pages(ctx, listing{dir: bytesDir + id + "~", deep: true, first: wholePage}) {
		if err != nil {
			return err
		}
		for _, i := range page.items {
			if i.key == but {
				continue
			}
			at, notes, found, err := s.look(ctx, i.key)
			if err == nil && found {
				err = s.settleOne(ctx, at, notes, &v)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// settleOne keeps the bytes if they are, or may become, what a key names.
func (s *Store) settleOne(ctx context.Context, at location, notes map[string]string, v *session) error {
	key, err := url.QueryUnescape(notes[keyNote])
	if err != nil {
		return s.failure("read the notes of", at.Key, err)
	}
	if v != nil && v.Key != "" && v.final() == at.Key {
		key = v.Key
	}
	ours := false
	if key != "" {
		if err := s.check(key); err != nil {
			return err
		}
		_, ours, err = s.adopt(ctx, key, at, nil)
	}
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	if ours {
		return nil
	}
	return s.remove(ctx, at.Key)
}

// final is the key of the bytes that Commit chose.
func (v session) final() string {
	if v.Multipart != nil {
		return v.Multipart.Key
	}
	if v.Tail != nil {
		return v.Tail.Key
	}
	return ""
}

// begun is a multipart upload as the service lists it.
type begun struct {
	multipart
	at time.Time
}

// multiparts lists the multipart uploads of keys that begin so.
func (s *Store) multiparts(ctx context.Context, prefix string) iter.Seq2[begun, error] {
	return func(yield func(begun, error) bool) {
		in := &awss3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)}
		for {
			out, err := s.client.ListMultipartUploads(ctx, in)
			if err != nil {
				yield(begun{}, s.failure("list the multipart uploads of", prefix, err))
				return
			}
			for _, m := range out.Uploads {
				key, ours := strings.CutPrefix(aws.ToString(m.Key), s.prefix)
				if !ours || !strings.HasPrefix(key, prefix) {
					continue // not what was asked for
				}
				one := begun{multipart{Key: key, ID: aws.ToString(m.UploadId)}, aws.ToTime(m.Initiated)}
				if !yield(one, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			if aws.ToString(out.NextKeyMarker) == aws.ToString(in.KeyMarker) && aws.ToString(out.NextUploadIdMarker) == aws.ToString(in.UploadIdMarker) {
				yield(begun{}, s.failure("list the multipart uploads of", prefix, errors.New("the service says that there is more, and not how to get it")))
				return
			}
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
	}
}

// abort ends a multipart upload. One that is gone is no error.
func (s *Store) abort(ctx context.Context, m multipart) error {
	_, err := s.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + m.Key), UploadId: &m.ID,
	})
	if err != nil && !isNotFound(err) {
		return s.failure("abort the multipart upload of", m.Key, err)
	}
	return nil
}

// sweepUploads removes the tombstones of sessions, with what came in after their end, and multipart uploads
// that no session knows. It returns how many.
func (s *Store) sweepUploads(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	err := s.old(ctx, uploadsDir, max(olderThan, s.uploads.tombstone), func(i item) error {
		if i.state != gone {
			return nil
		}
		swept, err := s.sweepSession(ctx, strings.TrimPrefix(i.key, uploadsDir))
		if swept {
			removed++
		}
		return err
	})
	aborted, abortErr := s.sweepMultiparts(ctx, olderThan)
	return removed + aborted, errors.Join(err, abortErr)
}

func (s *Store) sweepSession(ctx context.Context, id string) (bool, error) {
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
func (s *Store) sweepMultiparts(ctx context.Context, olderThan time.Duration) (int, error) {
	aborted := 0
	limit := s.now().Add(coarse - olderThan)
	for m, err := range s.multiparts(ctx, bytesDir) {
		if err != nil {
			return aborted, err
		}
		if m.at.After(limit) {
			continue
		}
		wanted, err := s.wanted(ctx, m.multipart)
		if err != nil {
			return aborted, err
		}
		if wanted {
			continue
		}
		if err := s.abort(ctx, m.multipart); err != nil {
			return aborted, err
		}
		aborted++
	}
	return aborted, nil
}

// wanted tells whether the session of a multipart upload is open and has no other one: one without any
// may have a writer that has not saved yet.
func (s *Store) wanted(ctx context.Context, m multipart) (bool, error) {
	id := location{Key: m.Key}.session()
	if id == "" {
		return true, nil // not ours
	}
	_, v, err := s.loadSession(ctx, id)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err != nil || v.Multipart == nil || v.Multipart.ID == m.ID, err
}
