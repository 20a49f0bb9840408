package s3

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// What follows is B's: uploads and places.

func (s *Store) openPlace(context.Context, storage.Place) (io.ReadSeekCloser, storage.Info, error) {
	return nil, storage.Info{}, errors.ErrUnsupported
}

// removePlace deletes the bytes of a place. What is gone is no error.
func (s *Store) removePlace(context.Context, storage.Place) error { return errors.ErrUnsupported }

// inUpload tells whether the session that a place's bytes came by is still open.
func (s *Store) inUpload(context.Context, storage.Place) (bool, error) { return false, nil }

// sweepUploads ends what crashed writers left of sessions, and says how many it removed.
func (s *Store) sweepUploads(context.Context, time.Duration) (int, error) { return 0, nil }

func (s *Store) OpenPlace(context.Context, storage.Place) (io.ReadSeekCloser, storage.Info, error) {
	return nil, storage.Info{}, errors.ErrUnsupported
}

func (s *Store) Presign(context.Context, storage.Place, storage.PresignOptions) (string, error) {
	return "", errors.ErrUnsupported
}

func (s *Store) CreateUpload(context.Context, string, []byte) error { return errors.ErrUnsupported }

func (s *Store) OpenUpload(context.Context, string) (storage.Upload, error) {
	return nil, errors.ErrUnsupported
}

func (s *Store) StatUpload(context.Context, string) (storage.Session, []byte, error) {
	return storage.Session{}, nil, errors.ErrUnsupported
}

func (s *Store) ListUploads(context.Context) iter.Seq2[storage.Session, error] {
	return func(yield func(storage.Session, error) bool) { yield(storage.Session{}, errors.ErrUnsupported) }
}
