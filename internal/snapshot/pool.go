package snapshot

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// pool keeps values that several snapshots use at once, such as connections: one for each key, which is all
// that the value was made of. The zero pool is empty.
type pool[K comparable, V any] struct {
	mu     sync.Mutex // guards values, and is held while one is opened: that asks nobody outside
	values map[K]*pooled[V]
}

type pooled[V any] struct {
	value V
	users int // guarded by the mu of the pool
}

// closers end what somebody has opened, and give back what he has borrowed.
type closers []func() error

// close calls all of them, the last one first.
func (c *closers) close() error {
	var errs []error
	for _, one := range slices.Backward(*c) {
		errs = append(errs, one())
	}
	*c = nil
	return errors.Join(errs...)
}

// borrow returns the value of a key, until the borrower closes. It is opened if nobody has borrowed it, and closed
// when the last one gives it back, if it is an io.Closer.
func (p *pool[K, V]) borrow(by *closers, key K, open func() (V, error)) (V, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.values[key]
	if one == nil {
		value, err := open()
		if err != nil {
			return value, err
		}
		if p.values == nil {
			p.values = map[K]*pooled[V]{}
		}
		one = &pooled[V]{value: value}
		p.values[key] = one
	}
	one.users++
	*by = append(*by, func() error { return p.giveBack(key, one) })
	return one.value, nil
}

func (p *pool[K, V]) giveBack(key K, one *pooled[V]) error {
	p.mu.Lock()
	one.users--
	last := one.users == 0
	if last {
		delete(p.values, key)
	}
	p.mu.Unlock()
	if closer, ok := any(one.value).(io.Closer); ok && last {
		return closer.Close()
	}
	return nil
}
