// Package memory is the Cache of one process.
// It promises what the contract says, within a budget of bytes: what was used longest ago goes first.
// It must not know of other processes, nor what an entry means.
package memory

import (
	"context"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/lru"
)

// overhead is about what an entry costs beside its bytes.
const overhead = 200

// Cache keeps values in memory.
type Cache struct {
	entries *lru.Cache[string, entry]
}

type entry struct {
	value []byte
	until time.Time
}

// New returns an empty one that keeps up to size.
func New(size bytesize.Size) *Cache {
	return &Cache{entries: lru.New[string, entry](int64(size))}
}

// Get is as the contract says.
func (c *Cache) Get(_ context.Context, key string) ([]byte, bool) {
	e, ok := c.entries.Get(key)
	if !ok || !time.Now().Before(e.until) {
		return nil, false
	}
	return e.value, true
}

// Set is as the contract says.
func (c *Cache) Set(_ context.Context, key string, value []byte, ttl time.Duration) {
	if len(value) > cache.MaxValue {
		return
	}
	c.entries.Put(key, entry{value: value, until: time.Now().Add(ttl)}, int64(len(key)+len(value)+overhead))
}

// Delete is as the contract says.
func (c *Cache) Delete(_ context.Context, key string) { c.entries.Forget(key) }
