// Package memory is the Locker of one process: its locks end with it.
// It promises what the contract says, serves waiters in the order of their coming, and never loses a
// lock.
// It must not know of other processes, nor what a key stands for.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/sreg-project/sreg/internal/lock"
)

// Locker keeps the locks of one process.
type Locker struct {
	mu   sync.Mutex // guards keys and the users in it
	keys map[string]*key
}

// key is one key that somebody holds or waits for.
type key struct {
	// holder has room for one value: whoever has sent it holds the key. Blocked senders are served in order.
	holder chan struct{}
	users  int // holder and waiters; at 0 the key is forgotten
}

// New returns a Locker that holds nothing.
func New() *Locker {
	return &Locker{keys: map[string]*key{}}
}

// Lock is as the contract says.
func (l *Locker) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("lock %q: %w", name, err)
	}
	k := l.join(name)
	select {
	case k.holder <- struct{}{}:
	case <-ctx.Done():
		l.leave(name, k)
		return nil, nil, fmt.Errorf("lock %q: %w: %w", name, lock.ErrHeld, ctx.Err())
	}
	held, cancel := context.WithCancel(ctx)
	unlock := sync.OnceFunc(func() {
		cancel()
		<-k.holder
		l.leave(name, k)
	})
	return held, unlock, nil
}

func (l *Locker) join(name string) *key {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.keys[name]
	if k == nil {
		k = &key{holder: make(chan struct{}, 1)}
		l.keys[name] = k
	}
	k.users++
	return k
}

func (l *Locker) leave(name string, k *key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k.users--
	if k.users == 0 {
		delete(l.keys, name)
	}
}
