// Package faulty is a Store that breaks at a chosen step, on the way to another Store.
// It promises that everything else is the other Store's own: when it injects nothing it keeps the
// whole contract, and what was cut off never reaches the other Store.
// It must not know what the objects are, nor which Store it wraps.
package faulty

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// Store is a storage.Store whose calls go through an Injector. New makes one.
type Store struct {
	inner storage.Store
	in    *Injector
	// The powers of the inner Store in whose way a failure can stand; nil where it has them not, and then
	// storage.As does not lead to their methods here.
	data         storage.DataOpener
	fingerprints storage.Fingerprinter
}

// New wraps a Store. Several Stores may share an Injector: their steps are counted in one row.
func New(inner storage.Store, in *Injector) *Store {
	s := &Store{inner: inner, in: in}
	s.data, _ = storage.As[storage.DataOpener](inner)
	s.fingerprints, _ = storage.As[storage.Fingerprinter](inner)
	return s
}

// Unwrap is the inner Store.
func (s *Store) Unwrap() storage.Store { return s.inner }

// Open is a reading step; the reader itself is the inner one.
func (s *Store) Open(ctx context.Context, key string) (r io.ReadSeekCloser, info storage.Info, err error) {
	if err := s.in.read("open " + key); err != nil {
		return nil, info, err
	}
	return s.inner.Open(ctx, key)
}

// Get is a reading step.
func (s *Store) Get(ctx context.Context, key string) (storage.Value, error) {
	if err := s.in.read("get " + key); err != nil {
		return storage.Value{}, err
	}
	return s.inner.Get(ctx, key)
}

// Stat is a reading step.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := s.in.read("stat " + key); err != nil {
		return storage.Info{}, err
	}
	return s.inner.Stat(ctx, key)
}

// List is a reading step when it begins.
func (s *Store) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return listing(s.in, "list "+prefix, s.inner.List(ctx, prefix, opts))
}

// Put is a writing step.
func (s *Store) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (version storage.Version, err error) {
	err = s.in.write("put "+key, func() (err error) {
		version, err = s.inner.Put(ctx, key, data, opts)
		return err
	})
	return version, err
}

// Prepare is a writing step.
func (s *Store) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	p := &pending{in: s.in, key: key}
	err := s.in.write("prepare "+key, func() (err error) {
		p.inner, err = s.inner.Prepare(ctx, key, data)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Delete is a writing step.
func (s *Store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	return s.in.write("delete "+key, func() error { return s.inner.Delete(ctx, key, opts) })
}

// Condemn is a writing step.
func (s *Store) Condemn(ctx context.Context, key string) error {
	return s.in.write("condemn "+key, func() error { return s.inner.Condemn(ctx, key) })
}

// Revive is a writing step, also when the object is live: it may have to sync.
func (s *Store) Revive(ctx context.Context, key string) (info storage.Info, err error) {
	err = s.in.write("revive "+key, func() (err error) {
		info, err = s.inner.Revive(ctx, key)
		return err
	})
	return info, err
}

// Destroy is a writing step.
func (s *Store) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	return s.in.write("destroy "+key, func() error { return s.inner.Destroy(ctx, key, opts) })
}

// Condemned is a reading step when it begins.
func (s *Store) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	return listing(s.in, "list condemned "+prefix, s.inner.Condemned(ctx, prefix))
}

// Drafts is a reading step when it begins.
func (s *Store) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	return listing(s.in, "list drafts "+prefix, s.inner.Drafts(ctx, prefix))
}

// OpenData is a reading step.
func (s *Store) OpenData(ctx context.Context, key storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	if err := s.in.read("open data " + string(key)); err != nil {
		return nil, storage.Info{}, err
	}
	return s.data.OpenData(ctx, key)
}

// Features are those of the inner Store.
func (s *Store) Features() storage.Features { return s.inner.Features() }

// Fingerprint is a reading step.
func (s *Store) Fingerprint(ctx context.Context, prefix string) (stamp storage.Stamp, settled bool, err error) {
	if err := s.in.read("fingerprint " + prefix); err != nil {
		return stamp, false, err
	}
	return s.fingerprints.Fingerprint(ctx, prefix)
}

// Probe is a writing step.
func (s *Store) Probe(ctx context.Context) error {
	return s.in.write("probe", func() error { return s.inner.Probe(ctx) })
}

// Sweep is a writing step.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (removed int, err error) {
	err = s.in.write("sweep", func() (err error) {
		removed, err = s.inner.Sweep(ctx, olderThan)
		return err
	})
	return removed, err
}

// Claim is a writing step.
func (s *Store) Claim(ctx context.Context, name, note string) (held context.Context, release func(), err error) {
	err = s.in.write("claim "+name, func() (err error) {
		held, release, err = s.inner.Claim(ctx, name, note)
		return err
	})
	return held, release, err
}

// Close reaches the inner Store even after a cut: the system closes the files of a dead process.
func (s *Store) Close() error { return s.inner.Close() }

// listing injects into the beginning of a listing.
func listing[T any](in *Injector, what string, inner iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := in.read(what); err != nil {
			var none T
			yield(none, err)
			return
		}
		inner(yield)
	}
}

type pending struct {
	inner storage.Pending
	in    *Injector
	key   string
}

// Publish is a writing step.
func (p *pending) Publish(ctx context.Context) error {
	return p.in.write("publish "+p.key, func() error { return p.inner.Publish(ctx) })
}

// Discard is a writing step.
func (p *pending) Discard(ctx context.Context) error {
	return p.in.write("discard "+p.key, func() error { return p.inner.Discard(ctx) })
}

var _ storage.Wrapper = (*Store)(nil)
