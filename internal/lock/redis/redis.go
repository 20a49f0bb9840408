// Package redis is the Locker of several processes: a lock is a key in Redis that ends by itself unless its
// holder renews it.
// It promises what the contract says among all who share the Redis: waiters are served in the order in which
// they came to Redis, and those of one process in the order of their coming. A lock is lost when Redis was
// out of reach for a lease, or forgot it.
// It must not know what a key stands for.
package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/redisclient"
)

const (
	// patience is how long Redis may be out of reach before those who want a lock hear of it. One request
	// more may come on top.
	patience = 2 * time.Second
	// attempt bounds one request to Redis.
	attempt = time.Second
	// seen is how long a waiter counts that has not asked again: others wait behind it for so long if its
	// process died. It is more than three times the longest pause.
	seen = 2 * time.Second
	// A waiter asks again after firstPause, then ever more seldom until longestPause, and more seldom the
	// more waiters are before it.
	firstPause   = 10 * time.Millisecond
	longestPause = 150 * time.Millisecond
	// behind is what each waiter before adds to a pause, up to longestBehind.
	behind        = 20 * time.Millisecond
	longestBehind = 400 * time.Millisecond
)

// Locker keeps locks in Redis.
type Locker struct {
	client *redisclient.Client
	lease  time.Duration
	log    *slog.Logger
	// here lets one of this process wait in Redis for each key, and the others in memory.
	here *memory.Locker
	out  outage

	life context.Context // ends with Close
	end  func()
	work sync.WaitGroup // renewals and releases
}

// New returns a Locker that holds nothing. It connects to nobody: the first lock does.
func New(client *redisclient.Client, cfg lock.Config, log *slog.Logger) *Locker {
	l := &Locker{client: client, lease: cfg.Lease, log: log, here: memory.New()}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// Close waits for the last requests to Redis. Nobody may hold or want a lock any more; what is held
// nevertheless ends with its lease.
func (l *Locker) Close() error {
	l.end()
	l.work.Wait()
	return nil
}

// Lock is as the contract says.
func (l *Locker) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	_, next, err := l.here.Lock(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	h := &hold{locker: l, name: name, keys: l.keys(name), token: rand.Text(), next: next}
	if err := h.acquire(ctx); err != nil {
		next()
		l.work.Go(h.release) // ends with the lease at the latest; it may have been given without our knowing
		return nil, nil, fmt.Errorf("lock %q: %w", name, err)
	}
	held, unlock := h.keep(ctx)
	return held, unlock, nil
}

// keys are the lock, who waits for it in which order, and until when each of them counts. What stands in
// braces puts all three on one host of a Cluster.
func (l *Locker) keys(name string) []string {
	return []string{
		l.client.Key("lock", "{"+name+"}"),
		l.client.Key("lock-queue", "{"+name+"}"),
		l.client.Key("lock-seen", "{"+name+"}"),
	}
}

// outage is for how long Redis has been out of reach, as all who ask it found.
type outage struct {
	mu          sync.Mutex // guards both
	since, last time.Time
}

// failed notes that a request failed, and says whether that goes on for too long. One failure long ago is
// the same outage only if somebody saw that it went on.
func (o *outage) failed(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() || now.Sub(o.last) > 2*patience {
		o.since = now
	}
	o.last = now
	return now.Sub(o.since) >= patience
}

func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Time{}
}

// pause waits, less or more by half so that those who wait do not ask in step, and says whether the context
// is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + mathrand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
