package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/lock/locktest"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/secret"
)

// replica is the Locker of one process. Those with the same prefix share their locks.
type replica struct {
	url, prefix string
	lease       time.Duration
	change      func(*redisclient.Config)
}

func newLocker(t testing.TB, r replica) *Locker {
	t.Helper()
	cfg := redisclient.DefaultConfig()
	cfg.URL, cfg.KeyPrefix = r.url, "sreg:"+r.prefix+":"
	if r.change != nil {
		r.change(&cfg)
	}
	client, err := redisclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.lease == 0 {
		r.lease = 30 * time.Second
	}
	l := New(client, lock.Config{Lease: r.lease}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLocker(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t, redistest.Options{})
	cluster := redistest.Start(t, redistest.Options{Cluster: true})
	sentinel := redistest.Start(t, redistest.Options{Sentinel: plain})
	secure := redistest.Start(t, redistest.Options{TLS: true, ACL: []string{
		"user default off", "user sreg on >word resetkeys ~sreg:* resetchannels -@all +get +set +del +pexpire +time +zadd +zrem +zrange +zrangebyscore +zcard +zrank +eval +evalsha",
	}})
	for name, r := range map[string]replica{
		"plain":     {url: plain.URL()},
		"Cluster":   {url: "redis://" + cluster.Address + "," + cluster.Address},
		"Sentinels": {url: "redis://" + sentinel.Address + "/0?master_name=main"},
		"TLS and ACL": {url: secure.URL(), change: func(c *redisclient.Config) {
			c.CAFile, c.CertFile, c.KeyFile = secure.Certificates().CA, secure.Certificates().Cert, secure.Certificates().Key
			c.Username, c.Password = "sreg", secret.New("word")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			locktest.Run(t, func(t *testing.T) lock.Locker {
				own := r // they run at the same time
				own.prefix = rand.Text()
				return newLocker(t, own)
			})
		})
	}
}

func mustLock(t testing.TB, l *Locker) (context.Context, func()) {
	t.Helper()
	held, unlock, err := l.Lock(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	return held, unlock
}

func wantHeld(t testing.TB, l *Locker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := l.Lock(ctx, "key"); !errors.Is(err, lock.ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got error %v, want %v", err, lock.ErrHeld)
	}
}

func TestReplicasShareALock(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	a, b := newLocker(t, replica{url: server.URL()}), newLocker(t, replica{url: server.URL()})
	_, unlock := mustLock(t, a)
	wantHeld(t, b)
	unlock()
	_, unlock = mustLock(t, b)
	wantHeld(t, a)
	unlock()
	_, unlock = mustLock(t, a)
	unlock()
	var count int // the lock guards it, and the race detector watches
	var work sync.WaitGroup
	for i := range 8 {
		l := []*Locker{a, b}[i%2]
		work.Go(func() {
			for range 10 {
				_, unlock := mustLock(t, l)
				count++
				unlock()
			}
		})
	}
	work.Wait()
	if count != 80 {
		t.Errorf("got count %d, want 80", count)
	}
	a.work.Wait()
	b.work.Wait()
	if keys, err := a.client.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("got keys %v and error %v when nobody holds or waits, want none", keys, err)
	}
}

func TestWaitersOfAllReplicasAreServedInOrder(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	first := newLocker(t, replica{url: server.URL()})
	_, unlock := mustLock(t, first)
	var got, want []int
	var work sync.WaitGroup
	for i := range 5 {
		l := newLocker(t, replica{url: server.URL()})
		work.Go(func() {
			_, unlock := mustLock(t, l)
			got = append(got, i) // the lock guards it
			unlock()
		})
		want = append(want, i)
		waitFor(t, "a waiter more", func() bool {
			n, err := first.client.ZCard(t.Context(), first.keys("key")[1]).Result()
			return err == nil && n == int64(i+1)
		})
	}
	unlock()
	work.Wait()
	if !slices.Equal(got, want) {
		t.Errorf("got order %v, want %v", got, want)
	}
}

// waitFor looks until something is so: what happens in Redis has no event.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for !so() {
		if time.Now().After(end) {
			t.Fatalf("waited 10 s for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAHeldLockIsRenewed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	a, b := newLocker(t, replica{url: server.URL(), lease: time.Second}), newLocker(t, replica{url: server.URL(), lease: time.Second})
	held, unlock := mustLock(t, a)
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	if _, _, err := b.Lock(ctx, "key"); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("got error %v after more than two leases, want %v", err, lock.ErrHeld)
	}
	if held.Err() != nil {
		t.Error("a lock that is renewed was lost")
	}
}

// TestAProcessThatDied lets a lock go with its lease, and a place in the queue sooner.
func TestAProcessThatDied(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	dead, living := newLocker(t, replica{url: server.URL(), lease: time.Second}), newLocker(t, replica{url: server.URL()})
	holder := &hold{locker: dead, keys: dead.keys("key"), token: "holder"}
	waiter := &hold{locker: dead, keys: dead.keys("key"), token: "waiter"}
	for want, h := range []*hold{holder, waiter} {
		if place, err := h.ask(t.Context(), take, time.Now().Add(attempt), h.token, 1000, waiterSeen.Milliseconds()); err != nil || place != int64(want) {
			t.Fatalf("got place %d and error %v, want %d", place, err, want)
		}
	}
	begun := time.Now()
	_, unlock := mustLock(t, living)
	unlock()
	if took := time.Since(begun); took < 500*time.Millisecond || took > 5*time.Second {
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
			a, b := newLocker(t, replica{url: server.URL(), lease: lease}), newLocker(t, replica{url: server.URL(), lease: lease})
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

func wantUnavailable(t *testing.T, l *Locker) {
	t.Helper()
	begun := time.Now()
	_, _, err := l.Lock(t.Context(), "other")
	if !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "redis.url") {
		t.Errorf("got error %v, want %v with the key of the config", err, lock.ErrUnavailable)
	}
	if took := time.Since(begun); took > unavailableAfter+2*attempt {
		t.Errorf("waited %s, want some seconds at most", took)
	}
	begun = time.Now()
	if _, _, err := l.Lock(t.Context(), "another"); !errors.Is(err, lock.ErrUnavailable) {
		t.Errorf("got error %v, want %v", err, lock.ErrUnavailable)
	}
	if took := time.Since(begun); took > attempt+500*time.Millisecond {
		t.Errorf("the next one waited %s, want one request at most", took)
	}
}

// TestAStallThatDoesNotLast neither loses a lock nor fails who wants one.
func TestAStallThatDoesNotLast(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	l := newLocker(t, replica{url: server.URL(), lease: 4 * time.Second})
	held, unlock := mustLock(t, l)
	server.Pause()
	resume := time.AfterFunc(1500*time.Millisecond, server.Resume)
	defer resume.Stop()
	_, unlockOther, err := l.Lock(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	unlockOther()
	if held.Err() != nil {
		t.Error("the lock was lost")
	}
	unlock()
}

func TestCloseLeavesNoGoroutine(t *testing.T) { // not parallel: it counts
	server := redistest.Start(t, redistest.Options{})
	before := runtime.NumGoroutine()
	t.Run("locks", func(t *testing.T) {
		l := newLocker(t, replica{url: server.URL(), lease: time.Second})
		for i := range 10 {
			_, unlock, err := l.Lock(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			unlock()
		}
		_, _ = mustLock(t, l) // nobody unlocks
		server.Pause()
		wantUnavailable(t, l)
	})
	server.Resume()
	waitFor(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

func BenchmarkLock(b *testing.B) {
	server := redistest.Start(b, redistest.Options{})
	l := newLocker(b, replica{url: server.URL()})
	b.ReportAllocs()
	for b.Loop() {
		_, unlock := mustLock(b, l)
		unlock()
	}
}
