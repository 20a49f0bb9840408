package s3

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// What follows is A's and comes soon.

func (s *Store) Open(context.Context, string) (io.ReadSeekCloser, storage.Info, error) {
	return nil, storage.Info{}, errors.ErrUnsupported
}

func (s *Store) Get(context.Context, string) (storage.Value, error) {
	return storage.Value{}, errors.ErrUnsupported
}

func (s *Store) Stat(context.Context, string) (storage.Info, error) {
	return storage.Info{}, errors.ErrUnsupported
}

func (s *Store) List(context.Context, string, storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return nil
}

func (s *Store) Put(context.Context, string, []byte, storage.PutOptions) (storage.Version, error) {
	return "", errors.ErrUnsupported
}

func (s *Store) Prepare(context.Context, string, []byte) (storage.Pending, error) {
	return nil, errors.ErrUnsupported
}

func (s *Store) Delete(context.Context, string, storage.DeleteOptions) error {
	return errors.ErrUnsupported
}
func (s *Store) Condemn(context.Context, string) error { return errors.ErrUnsupported }
func (s *Store) Revive(context.Context, string) (storage.Info, error) {
	return storage.Info{}, errors.ErrUnsupported
}

func (s *Store) Destroy(context.Context, string, storage.DeleteOptions) error {
	return errors.ErrUnsupported
}
func (s *Store) Condemned(context.Context, string) iter.Seq2[storage.Departed, error] { return nil }
func (s *Store) Drafts(context.Context, string) iter.Seq2[storage.Draft, error]       { return nil }
func (s *Store) Fingerprint(context.Context, string) (storage.Stamp, bool, error) {
	return storage.Stamp{}, false, nil
}

// Features are those that the service showed.
func (s *Store) Features() storage.Features  { return storage.Features{ConditionalWrites: true} }
func (s *Store) Probe(context.Context) error { return errors.ErrUnsupported }
func (s *Store) Sweep(context.Context, time.Duration) (int, error) {
	return 0, errors.ErrUnsupported
}

func (s *Store) Claim(context.Context, string, string) (context.Context, func(), error) {
	return nil, nil, errors.ErrUnsupported
}

// Create prepares an empty prefix.
func (s *Store) Create(context.Context) error { return nil }

func (s *Store) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

var _ storage.Store = (*Store)(nil)
