package registry

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"github.com/sreg-project/sreg/internal/storage"
)

// writes counts what a process changes in a store, so that what it has acknowledged is never hidden by
// what it remembers. It knows keys by their hashes: two that share a number cost a look too many.
type writes struct {
	seed        maphash.Seed
	generations [4096]atomic.Uint64
}

func newWrites() *writes { return &writes{seed: maphash.MakeSeed()} }

func (w *writes) of(key string) *atomic.Uint64 {
	return &w.generations[maphash.String(w.seed, key)%uint64(len(w.generations))]
}

// generation is another number after each change of the key. What was read is remembered with the one
// from before the read.
func (w *writes) generation(key string) uint64 { return w.of(key).Load() }

// change does one write. It counts before, for who reads meanwhile, and after, for who read the old
// content since: both must not be remembered when the write is acknowledged. A write that fails may have
// happened.
func (w *writes) change(key string, write func() error) error {
	generation := w.of(key)
	generation.Add(1)
	defer generation.Add(1)
	return write()
}

// noting is a Store that counts what is changed through it. Commits of uploads make blobs alone,
// which nobody remembers.
type noting struct {
	storage.Store
	writes *writes
}

// Unwrap is the store that is written to.
func (n *noting) Unwrap() storage.Store { return n.Store }

// Put notes the key.
func (n *noting) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (version storage.Version, err error) {
	err = n.writes.change(key, func() error {
		version, err = n.Store.Put(ctx, key, data, opts)
		return err
	})
	return version, err
}

// Delete notes the key.
func (n *noting) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	return n.writes.change(key, func() error { return n.Store.Delete(ctx, key, opts) })
}

// Condemn notes the key.
func (n *noting) Condemn(ctx context.Context, key string) error {
	return n.writes.change(key, func() error { return n.Store.Condemn(ctx, key) })
}

// Destroy notes the key.
func (n *noting) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	return n.writes.change(key, func() error { return n.Store.Destroy(ctx, key, opts) })
}

// Prepare has Publish note the key.
func (n *noting) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	pending, err := n.Store.Prepare(ctx, key, data)
	if err != nil {
		return nil, err
	}
	return &notingPending{Pending: pending, key: key, writes: n.writes}, nil
}

type notingPending struct {
	storage.Pending
	key    string
	writes *writes
}

// Publish notes the key.
func (p *notingPending) Publish(ctx context.Context) error {
	return p.writes.change(p.key, func() error { return p.Pending.Publish(ctx) })
}
