package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
)

// watched counts the requests for a lock that a Locker sends, and tells of each that failed.
type watched struct {
	sent   atomic.Int64
	failed func()
}

func watch(l *Locker, failed func()) *watched {
	w := &watched{failed: failed}
	l.client.AddHook(w)
	return w
}

func (*watched) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*watched) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (w *watched) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		err := next(ctx, command)
		if args := command.Args(); len(args) > 1 && args[1] == take.Hash() {
			w.sent.Add(1)
			if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") {
				w.failed()
			}
		}
		return err
	}
}

func TestAHeldLockIsRenewed(t *testing.T) {
	t.Parallel()
	r := sharing(t)
	r.lease = 3 * time.Second
	a, b := newLocker(t, r), newLocker(t, r)
	held, unlock := mustLock(t, a)
	defer unlock()
	left := func() time.Duration { return a.client.PTTL(t.Context(), a.keys("key")[0]).Val() }
	for range 4 { // one renewal comes a third of the lease after the other, so this is longer than a lease
		before := left()
		waitFor(t, "a renewal", func() bool {
			now := left()
			renewed := now > before
			before = now
			return renewed
		})
	}
	wantHeld(t, b)
	if held.Err() != nil {
		t.Error("a lock that is renewed was lost")
	}
}

// TestAProcessThatDied loses its lock with the lease, and its position in the queue when it has not been seen for a
// while.
func TestAProcessThatDied(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	r := sharing(t)
	dead, living := newLocker(t, r), newLocker(t, r)
	holder := &hold{locker: dead, keys: dead.keys("key"), token: "holder"}
	waiter := &hold{locker: dead, keys: dead.keys("key"), token: "waiter"}
	begun := time.Now()
	for want, h := range []*hold{holder, waiter} {
		if position, err := h.ask(t.Context(), take, time.Now().Add(time.Minute), h.token, lease.Milliseconds(), waiterSeen.Milliseconds()); err != nil || position != int64(want) {
			t.Fatalf("got position %d and error %v, want %d", position, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, unlock, err := living.Lock(ctx, "key")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if took := time.Since(begun); took < max(lease, waiterSeen) {
		t.Errorf("got the lock after %s, want it after the lease and the waiter's time", took)
	}
}

// TestRedisThatFailsUnderAHolder: the held context ends before another can have the lock, nobody waits
// longer than some seconds, and locks work when Redis does.
func TestRedisThatFailsUnderAHolder(t *testing.T) {
	t.Parallel()
	const lease = 3 * time.Second
	for name, tt := range map[string]struct {
		fail, mend func(*redistest.Server)
	}{
		"paused for longer than the lease": {(*redistest.Server).Pause, (*redistest.Server).Resume},
		"killed and started empty":         {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"started empty at once":            {(*redistest.Server).Restart, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Options{})
			a, b := newLocker(t, instance{url: server.URL(), lease: lease}), newLocker(t, instance{url: server.URL(), lease: lease})
			held, unlock := mustLock(t, a)
			begun, ended := time.Now(), make(chan time.Time, 1)
			context.AfterFunc(held, func() { ended <- time.Now() })
			tt.fail(server)
			if tt.mend != nil {
				wantUnavailable(t, b)
			}
			<-held.Done()
			if cause := context.Cause(held); !errors.Is(cause, lock.ErrLost) {
				t.Errorf("got cause %v, want %v", cause, lock.ErrLost)
			}
			if took := (<-ended).Sub(begun); took > lease {
				t.Errorf("the held context ended after %s, want that before the lease of %s", took, lease)
			}
			if tt.mend != nil {
				tt.mend(server)
			}
			unlock()
			for _, l := range []*Locker{b, a} {
				// Who was told that Redis is out of reach may hear it for a second more.
				waitFor(t, "a lock", func() bool {
					held, unlock, err := l.Lock(t.Context(), "key")
					if err != nil {
						return false
					}
					unlock()
					return context.Cause(held) == context.Canceled
				})
			}
		})
	}
}

// wantUnavailable wants an error from the first who asks, and from the next one after a single request.
func wantUnavailable(t *testing.T, l *Locker) {
	t.Helper()
	w := watch(l, func() {})
	_, _, err := l.Lock(t.Context(), "other")
	if !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "redis.url") {
		t.Errorf("got error %v, want %v with the key of the config", err, lock.ErrUnavailable)
	}
	w.sent.Store(0)
	if _, _, err := l.Lock(t.Context(), "another"); !errors.Is(err, lock.ErrUnavailable) {
		t.Errorf("got error %v, want %v", err, lock.ErrUnavailable)
	}
	if sent := w.sent.Load(); sent != 1 {
		t.Errorf("the next one sent %d requests, want one", sent)
	}
}

// TestAStallThatDoesNotLast neither loses a lock nor fails who wants one: Redis goes on after one request has failed.
func TestAStallThatDoesNotLast(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLocker(t, instance{url: server.URL()})
	held, unlock := mustLock(t, l)
	server.Pause()
	w := watch(l, sync.OnceFunc(server.Resume))
	_, unlockOther, err := l.Lock(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	unlockOther()
	if w.sent.Load() < 2 {
		t.Error("no request failed, want that Redis stalled")
	}
	if held.Err() != nil {
		t.Error("the lock was lost")
	}
	unlock()
}
