// Package lru keeps the values that were used last, within a budget.
// It promises bounded memory and constant time, to many goroutines at once.
// It must never know what it keeps: whether a value is still true is its caller's business.
package lru

import (
	"container/list"
	"sync"
)

// Cache maps keys to values until their costs exceed the budget; then what was not used for longest
// goes first. New makes one.
type Cache[K comparable, V any] struct {
	budget int64
	drop   func(V)

	mu      sync.Mutex
	entries map[K]*list.Element // guarded by mu
	order   list.List           // guarded by mu; of *entry, the last used first
	cost    int64               // guarded by mu
}

type entry[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

// New makes an empty cache. The budget is in the unit of the costs: bytes, or entries.
func New[K comparable, V any](budget int64) *Cache[K, V] {
	return NewDropping[K, V](budget, nil)
}

// NewDropping makes a cache that calls drop with each value that leaves it, for values that hold
// something open. What Get returned may be dropped while its caller still uses it.
func NewDropping[K comparable, V any](budget int64, drop func(V)) *Cache[K, V] {
	return &Cache[K, V]{budget: budget, drop: drop, entries: map[K]*list.Element{}}
}

// Get finds a value and counts as its use.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*entry[K, V]).value, true
}

// Put keeps a value in place of the key's last one. What costs more than the whole budget is not
// kept.
func (c *Cache[K, V]) Put(key K, value V, cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		c.remove(element)
	}
	if cost > c.budget {
		if c.drop != nil {
			c.drop(value)
		}
		return
	}
	c.entries[key] = c.order.PushFront(&entry[K, V]{key: key, value: value, cost: cost})
	c.cost += cost
	for c.cost > c.budget {
		c.remove(c.order.Back())
	}
}

// Forget drops a key.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		c.remove(element)
	}
}

// Clear drops everything.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.remove(c.order.Back())
	}
}

// remove takes an element out. The caller holds mu.
func (c *Cache[K, V]) remove(element *list.Element) {
	e := c.order.Remove(element).(*entry[K, V])
	delete(c.entries, e.key)
	c.cost -= e.cost
	if c.drop != nil {
		c.drop(e.value)
	}
}
