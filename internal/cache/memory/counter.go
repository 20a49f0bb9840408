package memory

import (
	"context"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/lru"
)

// Counter is the cache.Counter of one process. It always knows the count.
type Counter struct {
	mu     sync.Mutex                  // held from a look at a count to its change
	counts *lru.Cache[string, counted] // those that were changed last
}

type counted struct {
	begun time.Time
	count int64
}

// NewCounter returns one that keeps so many counts; what was used longest ago begins anew at 0.
func NewCounter(counts int64) *Counter {
	return &Counter{counts: lru.New[string, counted](counts)}
}

// Add is as the contract says.
func (c *Counter) Add(_ context.Context, key string, n int64, limit cache.Limit) (cache.Count, bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.counts.Get(key)
	if !ok || now.Sub(found.begun) >= limit.Window {
		found = counted{begun: now}
	}
	count := cache.Count{Full: n > 0 && found.count >= limit.Most, Left: limit.Window - now.Sub(found.begun)}
	if !count.Full && found.count+n >= 0 {
		found.count += n
		c.counts.Put(key, found, 1)
	}
	return count, true
}

// Delete is as the contract says.
func (c *Counter) Delete(_ context.Context, key string) { c.counts.Forget(key) }
