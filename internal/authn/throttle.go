package authn

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/lru"
)

const (
	// maxThrottled bounds the failures that are remembered, some 200 bytes each.
	maxThrottled = 32 << 10
	// sprayed is how many times more failures an address has than one user name from it.
	sprayed = 10
)

// throttle counts wrong passwords by client address and user name, and by the address alone. It never
// counts by the user name alone: then anybody could lock anybody out.
//
// Where there is a shared count it decides, and that of this process is kept beside it, for when the shared
// one is out of reach.
type throttle struct {
	seed maphash.Seed

	mu       sync.Mutex                           // guards what is in failures
	failures *lru.Cache[throttleKey, throttleFor] // those that failed last stay
}

// throttleKey is a client, and a user name or 0 for all of them. Names are kept as their hash: they are
// the client's, and of any length.
type throttleKey struct {
	client netip.Addr
	user   uint64
}

// throttleFor is a window of failures.
type throttleFor struct {
	begun time.Time
	count int
}

func newThrottle() *throttle {
	return &throttle{seed: maphash.MakeSeed(), failures: lru.New[throttleKey, throttleFor](maxThrottled)}
}

// attempt is a password that counts as wrong until it proved right: so a thousand guesses at once are
// not one.
type attempt struct {
	throttle   *throttle
	pair, from throttleKey
	shared     sharedAttempt
}

// begin counts an attempt, also in the shared count unless that is nil, or says how long to wait before the
// next one.
func (t *throttle) begin(ctx context.Context, counter cache.Counter, config ThrottleConfig, client netip.Addr, user string) (attempt, time.Duration) {
	if config.Failures == 0 {
		return attempt{}, 0
	}
	client = network(client)
	a := attempt{
		throttle: t,
		pair:     throttleKey{client: client, user: maphash.String(t.seed, user) | 1},
		from:     throttleKey{client: client},
	}
	shared, wait, known := beginShared(ctx, counter, config, client, user)
	if wait > 0 {
		return attempt{}, wait
	}
	a.shared = shared
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	pair, from := t.window(a.pair, config, now), t.window(a.from, config, now)
	if !known && pair.count >= config.Failures {
		return attempt{}, config.Window - now.Sub(pair.begun)
	}
	// Clients without an address have nothing in common.
	if !known && client.IsValid() && from.count >= sprayed*config.Failures {
		return attempt{}, config.Window - now.Sub(from.begun)
	}
	t.put(a.pair, pair, 1)
	t.put(a.from, from, 1)
	return a, 0
}

func (t *throttle) window(key throttleKey, config ThrottleConfig, now time.Time) throttleFor {
	window, ok := t.failures.Get(key)
	if !ok || now.Sub(window.begun) >= config.Window {
		return throttleFor{begun: now}
	}
	return window
}

func (t *throttle) put(key throttleKey, window throttleFor, more int) {
	window.count += more
	t.failures.Put(key, window, 1)
}

// right takes the attempt back, and the failures of this user name from this address with it.
func (a attempt) right(ctx context.Context) {
	if a.throttle == nil {
		return
	}
	a.shared.right(ctx)
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.failures.Forget(a.pair)
	a.takeBack(a.from)
}

// void takes the attempt back: nobody knows whether the password was right.
func (a attempt) void(ctx context.Context) {
	if a.throttle == nil {
		return
	}
	a.shared.void(ctx)
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.takeBack(a.pair)
	a.takeBack(a.from)
}

func (a attempt) takeBack(key throttleKey) {
	if window, ok := a.throttle.failures.Get(key); ok && window.count > 0 {
		a.throttle.put(key, window, -1)
	}
}

// network is what one client owns: an IPv4 address, or the /64 that an IPv6 client may choose from.
func network(client netip.Addr) netip.Addr {
	if !client.Is6() {
		return client
	}
	prefix, err := client.WithZone("").Prefix(64)
	if err != nil {
		return client
	}
	return prefix.Addr()
}
