// Package lru keeps the values that were used last, within a budget.
// It promises bounded memory and constant time, to many goroutines at once.
// It must never know what it keeps: whether a value is still true is its caller's business.
package lru

import "sync"

// Cache maps keys to values until their costs exceed the budget; then what was not used for longest
// goes first. New makes one.
type Cache[K comparable, V any] struct {
	budget int64
	drop   func(V)

	mu      sync.Mutex
	entries map[K]*entry[K, V] // guarded by mu
	ring    entry[K, V]        // guarded by mu; of all entries: the next one was used last, the previous one first
	cost    int64              // guarded by mu
}

// entry is a value and its place in the ring. A list of the library would take another object for each.
type entry[K comparable, V any] struct {
	prev, next *entry[K, V]
	key        K
	value      V
	cost       int64
}

// New makes an empty cache. The budget is in the unit of the costs: bytes, or entries.
func New[K comparable, V any](budget int64) *Cache[K, V] {
	return NewDropping[K, V](budget, nil)
}

// NewDropping makes a cache that calls drop with each value that leaves it, for values that hold
// something open. What Get returned may be dropped while its caller still uses it.
func NewDropping[K comparable, V any](budget int64, drop func(V)) *Cache[K, V] {
	c := &Cache[K, V]{budget: budget, drop: drop, entries: map[K]*entry[K, V]{}}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// Get finds a value and counts as its use.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.unlink(e)
	c.pushFront(e)
	return e.value, true
}

// Put keeps a value in place of the key's last one. What costs more than the whole budget is not
// kept.
func (c *Cache[K, V]) Put(key K, value V, cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
	if cost > c.budget {
		if c.drop != nil {
			c.drop(value)
		}
		return
	}
	e := &entry[K, V]{key: key, value: value, cost: cost}
	c.entries[key] = e
	c.pushFront(e)
	c.cost += cost
	for c.cost > c.budget {
		c.remove(c.ring.prev)
	}
}

// Forget drops a key.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
}

// Clear drops everything.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.entries) > 0 {
		c.remove(c.ring.prev)
	}
}

// remove takes an entry out. The caller holds mu.
func (c *Cache[K, V]) remove(e *entry[K, V]) {
	c.unlink(e)
	delete(c.entries, e.key)
	c.cost -= e.cost
	if c.drop != nil {
		c.drop(e.value)
	}
}

// pushFront makes an entry the one that was used last. The caller holds mu.
func (c *Cache[K, V]) pushFront(e *entry[K, V]) {
	e.prev, e.next = &c.ring, c.ring.next
	e.prev.next, e.next.prev = e, e
}

// unlink takes an entry out of the ring. The caller holds mu.
func (c *Cache[K, V]) unlink(e *entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
}
