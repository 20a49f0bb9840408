package authn

import (
	"context"
	"sync"
)

// verifications lets a password that many send at once be verified once. It is no singleflight.Group of x/sync,
// because a verification that nobody waits for any more has to leave the queue: else clients who send a password
// and go away would fill it.
type verifications struct {
	mu      sync.Mutex
	running map[[32]byte]*verification // guarded by mu
	work    sync.WaitGroup
}

type verification struct {
	done    chan struct{}
	ok      bool
	err     error
	waiting int // guarded by mu of verifications
	cancel  func()
}

// do returns what verify says for the key, be it called now or running already.
func (v *verifications) do(ctx context.Context, key [32]byte, verify func(context.Context) (bool, error)) (bool, error) {
	one := v.join(ctx, key, verify)
	select {
	case <-one.done:
		return one.ok, one.err
	case <-ctx.Done():
		v.leave(one)
		return false, ctx.Err()
	}
}

func (v *verifications) join(ctx context.Context, key [32]byte, verify func(context.Context) (bool, error)) *verification {
	v.mu.Lock()
	defer v.mu.Unlock()
	if one := v.running[key]; one != nil && one.waiting > 0 {
		one.waiting++
		return one
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &verification{done: make(chan struct{}), waiting: 1, cancel: cancel}
	v.running[key] = one
	v.work.Go(func() { // ends with verify, which ends with its context
		defer cancel()
		one.ok, one.err = verify(ctx)
		v.mu.Lock()
		if v.running[key] == one {
			delete(v.running, key)
		}
		v.mu.Unlock()
		close(one.done)
	})
	return one
}

func (v *verifications) leave(one *verification) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if one.waiting--; one.waiting == 0 {
		one.cancel()
	}
}
