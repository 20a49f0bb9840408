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
	// unavailableAfter is how long Redis may be out of reach before those who want a lock get an error. It may
	// take one request longer.
	unavailableAfter = 2 * time.Second
	// attempt bounds one request to Redis.
	attempt = time.Second
	// waiterSeen is how long a waiter that does not ask again keeps its position: so long others wait behind it
	// if its process died. It is more than three times the longest pause.
	waiterSeen = 2 * time.Second
	// A waiter asks again after firstPause, then after longer and longer pauses up to longestPause, and longer
	// ones the more waiters are before it.
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
	// here makes the waiters of this process wait in memory, but for the first one of each key.
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

// Close waits for the last requests to Redis. Nobody may hold or want a lock any more; a lock that is held all the
// same ends with its lease.
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
		l.work.Go(h.release) // ends with the lease at the latest; Redis may have given the lock though its answer was lost
		return nil, nil, fmt.Errorf("lock %q: %w", name, err)
	}
	held, unlock := h.keep(ctx)
	return held, unlock, nil
}

// keys are the lock, the queue of its waiters, and until when each of them keeps its position. By the braces all
// three are on one host of a Cluster.
func (l *Locker) keys(name string) []string {
	return []string{
		l.client.Key("lock", "{"+name+"}"),
		l.client.Key("lock-queue", "{"+name+"}"),
		l.client.Key("lock-seen", "{"+name+"}"),
	}
}

// outage is since when Redis is out of reach.
type outage struct {
	mu          sync.Mutex // guards both
	since, last time.Time
}

// failed notes that a request failed, and says whether Redis has been out of reach for too long. A failure long
// ago belongs to another outage, unless there were failures since.
func (o *outage) failed(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() || now.Sub(o.last) > 2*unavailableAfter {
		o.since = now
	}
	o.last = now
	return now.Sub(o.since) >= unavailableAfter
}

func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Time{}
}

// pause waits for d, less or more by half so that waiters do not ask at the same moment. It is false if the context
// ended.
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
