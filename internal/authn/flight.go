package authn

import (
	"context"
	"sync"
)

// flights lets work that many ask for at once be done once.
type flights[K comparable, V any] struct {
	mu      sync.Mutex
	running map[K]*flight[V] // guarded by mu
	work    sync.WaitGroup
}

type flight[V any] struct {
	done    chan struct{}
	value   V
	err     error
	waiting int // guarded by the mu of its flights
	cancel  func()
}

// do returns what the work for the key gives, its own or that which runs already. The work ends when
// nobody waits for it any more.
func (f *flights[K, V]) do(ctx context.Context, key K, work func(context.Context) (V, error)) (V, error) {
	one := f.join(ctx, key, work)
	select {
	case <-one.done:
		return one.value, one.err
	case <-ctx.Done():
		f.leave(one)
		var none V
		return none, ctx.Err()
	}
}

// start begins the work, and nobody waits for it.
func (f *flights[K, V]) start(ctx context.Context, key K, work func(context.Context) (V, error)) {
	f.join(ctx, key, work)
}

// busy says that the work for the key runs.
func (f *flights[K, V]) busy(key K) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.running[key]
	return one != nil && one.waiting > 0
}

func (f *flights[K, V]) join(ctx context.Context, key K, work func(context.Context) (V, error)) *flight[V] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.running[key]; one != nil && one.waiting > 0 {
		one.waiting++
		return one
	}
	if f.running == nil {
		f.running = map[K]*flight[V]{}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &flight[V]{done: make(chan struct{}), waiting: 1, cancel: cancel}
	f.running[key] = one
	f.work.Go(func() { // ends with the work, which ends with its context
		defer cancel()
		one.value, one.err = work(ctx)
		f.mu.Lock()
		if f.running[key] == one {
			delete(f.running, key)
		}
		f.mu.Unlock()
		close(one.done)
	})
	return one
}

func (f *flights[K, V]) leave(one *flight[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.waiting--; one.waiting == 0 {
		one.cancel()
	}
}

// wait returns when nothing runs any more.
func (f *flights[K, V]) wait() { f.work.Wait() }
