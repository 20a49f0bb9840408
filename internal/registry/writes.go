package registry

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"github.com/sreg-project/sreg/internal/storage"
)

// writes counts what a process changes in a store, so that what it has acknowledged is never hidden by
// what it remembers. Keys are counted by their hashes: two with one hash cost a look that was not necessary.
type writes struct {
	seed   maphash.Seed
	counts [4096]atomic.Uint64
}

func newWrites() *writes { return &writes{seed: maphash.MakeSeed()} }

func (w *writes) of(key string) *atomic.Uint64 {
	return &w.counts[maphash.String(w.seed, key)%uint64(len(w.counts))]
}

// changes is another number after each change of the key. What was read is remembered with the one
// from before the read.
func (w *writes) changes(key string) uint64 { return w.of(key).Load() }

// change does one write. It counts before, for who reads meanwhile, and after, for who read the old
// content since: both must not be remembered when the write is acknowledged. A write that fails may have
// happened.
func (w *writes) change(key string, write func() error) error {
	count := w.of(key)
	count.Add(1)
	defer count.Add(1)
	return write()
}

// countingWrites is a Store that counts what is changed through it. Commits of uploads make blobs alone,
// which nobody remembers.
type countingWrites struct {
	storage.Store
	writes *writes
}

// Unwrap is the store that is written to.
func (s *countingWrites) Unwrap() storage.Store { return s.Store }

// Put counts a change of the key.
func (s *countingWrites) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (version storage.Version, err error) {
	err = s.writes.change(key, func() error {
		version, err = s.Store.Put(ctx, key, data, opts)
		return err
	})
	return version, err
}

// Delete counts a change of the key.
func (s *countingWrites) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	return s.writes.change(key, func() error { return s.Store.Delete(ctx, key, opts) })
}

// Condemn counts a change of the key.
func (s *countingWrites) Condemn(ctx context.Context, key string) error {
	return s.writes.change(key, func() error { return s.Store.Condemn(ctx, key) })
}

// Destroy counts a change of the key.
func (s *countingWrites) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	return s.writes.change(key, func() error { return s.Store.Destroy(ctx, key, opts) })
}

// Prepare has Publish count a change of the key.
func (s *countingWrites) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	pending, err := s.Store.Prepare(ctx, key, data)
	if err != nil {
		return nil, err
	}
	return &countingPending{Pending: pending, key: key, writes: s.writes}, nil
}

type countingPending struct {
	storage.Pending
	key    string
	writes *writes
}

// Publish counts a change of the key.
func (p *countingPending) Publish(ctx context.Context) error {
	return p.writes.change(p.key, func() error { return p.Pending.Publish(ctx) })
}
