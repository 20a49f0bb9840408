package gctest

import (
	"context"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// clocked is a Store whose objects have the times of another clock than the computer's: a file system
// lets nobody set since when a file is condemned.
type clocked struct {
	storage.Store
	now func() time.Time

	mu        sync.Mutex // guards the times
	written   map[string]time.Time
	condemned map[string]time.Time // since when
}

// newClocked goes on with the times of the Store before it on the same folder, if there was one.
func newClocked(inner storage.Store, now func() time.Time, before storage.Store) *clocked {
	c := &clocked{Store: inner, now: now, written: map[string]time.Time{}, condemned: map[string]time.Time{}}
	if b, was := before.(*clocked); was {
		c.written, c.condemned = b.written, b.condemned
	}
	return c
}

func (c *clocked) wrote(key string, err error) {
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written[key] = c.now()
}

func (c *clocked) timed(key string, info storage.Info) storage.Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, known := c.written[key]; known {
		info.ModTime = at
	}
	return info
}

func (c *clocked) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	content, info, err := c.Store.Open(ctx, key)
	return content, c.timed(key, info), err
}

func (c *clocked) Get(ctx context.Context, key string) (storage.Value, error) {
	value, err := c.Store.Get(ctx, key)
	value.Info = c.timed(key, value.Info)
	return value, err
}

func (c *clocked) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, err := c.Store.Stat(ctx, key)
	return c.timed(key, info), err
}

func (c *clocked) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	version, err := c.Store.Put(ctx, key, data, opts)
	c.wrote(key, err)
	return version, err
}

func (c *clocked) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	inner, err := c.Store.Prepare(ctx, key, data)
	return pending{Pending: inner, c: c, key: key}, err
}

type pending struct {
	storage.Pending
	c   *clocked
	key string
}

func (p pending) Publish(ctx context.Context) error {
	err := p.Pending.Publish(ctx)
	p.c.wrote(p.key, err)
	return err
}

func (c *clocked) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	inner, err := c.Store.OpenUpload(ctx, id)
	if err != nil {
		return nil, err
	}
	return upload{Upload: inner, c: c}, nil
}

type upload struct {
	storage.Upload
	c *clocked
}

func (u upload) Commit(ctx context.Context, key string) (storage.Info, error) {
	info, err := u.Upload.Commit(ctx, key)
	u.c.wrote(key, err)
	return u.c.timed(key, info), err
}

func (c *clocked) Condemn(ctx context.Context, key string) error {
	before, _ := c.Store.Stat(ctx, key)
	err := c.Store.Condemn(ctx, key)
	if err == nil && before.State == storage.Live {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.condemned[key] = c.now()
	}
	return err
}

func (c *clocked) Revive(ctx context.Context, key string) (storage.Info, error) {
	info, err := c.Store.Revive(ctx, key)
	return c.timed(key, info), err
}

func (c *clocked) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	return func(yield func(storage.Condemnation, error) bool) {
		for condemnation, err := range c.Store.Condemned(ctx, prefix) {
			c.mu.Lock()
			if at, known := c.condemned[condemnation.Key]; known {
				condemnation.Since = at
			}
			c.mu.Unlock()
			if !yield(condemnation, err) {
				return
			}
		}
	}
}
