package authn

import (
	"context"
	"net/netip"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
)

const (
	// maxThrottled bounds the counts of failures that are kept in memory, some 300 bytes each.
	maxThrottled = 32 << 10
	// sprayed is how many times more failures an address has than one user name from it.
	sprayed = 10
)

// throttle counts wrong passwords by client address and user name, and by the address alone. It never
// counts by the user name alone: then anybody could lock anybody out. So it does not count those of clients whose
// address nobody knows, such as all of a unix socket.
type throttle struct {
	config  ThrottleConfig
	counter cache.Counter
}

// attempt is a password that counts as wrong until it proved right: so a thousand guesses at once are
// not one. The zero attempt is not counted.
type attempt struct {
	throttle *throttle
	pair     string // names the count of a client and a user name
	client   string // names the count of the client, once that has counted the attempt
}

// begin counts an attempt, or says how long to wait before the next one.
func (t *throttle) begin(ctx context.Context, client netip.Addr, user string) (attempt, time.Duration) {
	if t.config.Failures == 0 || !client.IsValid() {
		return attempt{}, 0
	}
	network := networkOf(client).String()
	a := attempt{throttle: t, pair: cache.Key("throttle", network, user)}
	if count := t.add(ctx, a.pair, 1, 1); count.Full {
		return attempt{}, count.Left
	}
	all := cache.Key("throttle", network)
	if count := t.add(ctx, all, 1, sprayed); count.Full {
		a.takeBack(ctx)
		return attempt{}, count.Left
	}
	a.client = all
	return a, 0
}

// add counts up to so many times the failures of the config.
func (t *throttle) add(ctx context.Context, key string, n, times int64) cache.Count {
	count, _ := t.counter.Add(ctx, key, n, cache.Limit{Most: times * int64(t.config.Failures), Window: t.config.Window})
	return count
}

// succeeded takes the attempt back, and the failures of this user name from this address with it.
func (a attempt) succeeded(ctx context.Context) {
	if a.throttle != nil {
		a.throttle.counter.Delete(ctx, a.pair)
		a.throttle.add(ctx, a.client, -1, sprayed)
	}
}

// takeBack is for an attempt of which nobody knows whether the password was right.
func (a attempt) takeBack(ctx context.Context) {
	if a.throttle != nil {
		a.throttle.add(ctx, a.pair, -1, 1)
	}
	if a.client != "" {
		a.throttle.add(ctx, a.client, -1, sprayed)
	}
}

// networkOf is what one client owns: an IPv4 address, or the /64 that an IPv6 client may choose from.
func networkOf(client netip.Addr) netip.Addr {
	if !client.Is6() {
		return client
	}
	prefix, err := client.WithZone("").Prefix(64)
	if err != nil {
		return client
	}
	return prefix.Addr()
}
