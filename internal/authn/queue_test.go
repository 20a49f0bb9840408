package authn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sreg-project/sreg/internal/access"
)

func TestPasswordsWaitInABoundedQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) {
			f.verifier.gate = make(chan struct{})
			f.opts.Config.Basic.MaxConcurrent = 2
			f.opts.Config.Throttle.Failures = 0
		})
		ctx, leave := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for i := range 2 + maxWaiting {
			work.Go(func() {
				if _, _, err := f.Authenticate(ctx, basic("alice", fmt.Sprint(i))); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("got error %v, want a place or a cancellation", err)
				}
			})
		}
		synctest.Wait()
		if got := f.verifier.count.Load(); got != 2 {
			t.Errorf("%d are verified at once, want 2", got)
		}
		if _, _, err := f.Authenticate(t.Context(), basic("alice", "one more")); !errors.Is(err, access.ErrSignInBusy) {
			t.Errorf("got error %v with a full queue, want %v", err, access.ErrSignInBusy)
		}
		if f.attempts(Basic, busy) != 1 {
			t.Error("the full queue was not counted")
		}
		leave()
		work.Wait()     // nobody waits any more
		synctest.Wait() // and nobody is in the queue
		f.verifier.gate <- struct{}{}
		f.verifier.gate <- struct{}{}
		synctest.Wait()
		if got := f.verifier.count.Load(); got != 2 {
			t.Errorf("%d were verified, want only the two that had begun", got)
		}
	})
}
