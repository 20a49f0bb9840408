package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/lock/locktest"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
	"github.com/sreg-project/sreg/internal/secret"
)

// instance is the Locker of one process. Those with the same prefix share their locks.
type instance struct {
	url, prefix string
	lease       time.Duration
	change      func(*redisclient.Config)
}

// sharing is an instance with keys of its own on a server that other tests use, too.
func sharing(t testing.TB) instance {
	t.Helper()
	server, prefix := redistest.Shared(t)
	return instance{url: server.URL(), prefix: prefix}
}

func newLocker(t testing.TB, r instance) *Locker {
	t.Helper()
	cfg := redisclient.DefaultConfig()
	cfg.URL, cfg.KeyPrefix = r.url, cmp.Or(r.prefix, cfg.KeyPrefix)
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
	plain, _ := redistest.Shared(t)
	cluster := redistest.Start(t, redistest.Options{Cluster: true})
	sentinel := redistest.Start(t, redistest.Options{Sentinel: plain})
	secure := redistest.Start(t, redistest.Options{TLS: true, ACL: []string{
		"user default off", "user sreg on >word resetkeys ~sreg:* resetchannels -@all +get +set +del +pexpire +time +zadd +zrem +zrange +zrangebyscore +zcard +zrank +eval +evalsha",
	}})
	for name, r := range map[string]instance{
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
				own.prefix = "sreg:" + rand.Text() + ":"
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

func TestInstancesShareALock(t *testing.T) {
	t.Parallel()
	r := sharing(t)
	a, b := newLocker(t, r), newLocker(t, r)
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
	if keys, err := a.client.Keys(t.Context(), r.prefix+"*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("got keys %v and error %v when nobody holds or waits, want none", keys, err)
	}
}

func TestWaitersOfAllInstancesAreServedInOrder(t *testing.T) {
	t.Parallel()
	r := sharing(t)
	first := newLocker(t, r)
	_, unlock := mustLock(t, first)
	var got, want []int
	var work sync.WaitGroup
	for i := range 5 {
		l := newLocker(t, r)
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

func TestCloseLeavesNoGoroutine(t *testing.T) { // not parallel: it counts
	server := redistest.Start(t, redistest.Options{})
	before := runtime.NumGoroutine()
	t.Run("locks", func(t *testing.T) {
		l := newLocker(t, instance{url: server.URL(), lease: time.Second})
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
	l := newLocker(b, sharing(b))
	b.ReportAllocs()
	for b.Loop() {
		_, unlock := mustLock(b, l)
		unlock()
	}
}
