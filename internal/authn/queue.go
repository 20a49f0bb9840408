package authn

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/sreg-project/sreg/internal/access"
)

// maxWaiting bounds the passwords that wait to be verified: more would wait for longer than clients do.
const maxWaiting = 256

// queue bounds how much is verified at once: each password costs a core and some 20 MiB for a while.
type queue struct {
	slots   chan struct{}
	waiting atomic.Int64
}

// newQueue makes one that verifies n at once; 0 = half the cores.
func newQueue(n int) *queue {
	if n == 0 {
		n = max(1, runtime.GOMAXPROCS(0)/2)
	}
	return &queue{slots: make(chan struct{}, n)}
}

// do waits for its turn and works. It is access.ErrSignInBusy at once where too many wait already.
func (q *queue) do(ctx context.Context, work func()) error {
	if q.waiting.Add(1) > maxWaiting+int64(cap(q.slots)) {
		q.waiting.Add(-1)
		return access.ErrSignInBusy
	}
	defer q.waiting.Add(-1)
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-q.slots }()
	work()
	return nil
}

// doNow works, or is access.ErrSignInBusy if that had to wait.
func (q *queue) doNow(_ context.Context, work func()) error {
	select {
	case q.slots <- struct{}{}:
	default:
		return access.ErrSignInBusy
	}
	defer func() { <-q.slots }()
	work()
	return nil
}
