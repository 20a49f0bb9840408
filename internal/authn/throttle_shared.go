package authn

import (
	"context"
	"net/netip"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
)

// sharedAttempt is an attempt as all instances count it. The zero one was not counted.
type sharedAttempt struct {
	counter           cache.Counter
	pair, from        string // names of counts; a client without an address has no from
	pairMost, allMost cache.Limit
}

// beginShared counts an attempt for all instances, or says how long to wait. It is not known if nobody can
// be asked.
func beginShared(ctx context.Context, counter cache.Counter, config ThrottleConfig, client netip.Addr, user string) (a sharedAttempt, wait time.Duration, known bool) {
	if counter == nil {
		return sharedAttempt{}, 0, false
	}
	a = sharedAttempt{
		counter:  counter,
		pair:     cache.Key("throttle", client.String(), user),
		pairMost: cache.Limit{Most: int64(config.Failures), Window: config.Window},
		allMost:  cache.Limit{Most: sprayed * int64(config.Failures), Window: config.Window},
	}
	count, ok := a.counter.Add(ctx, a.pair, 1, a.pairMost)
	if !ok || count.Full {
		return sharedAttempt{}, waitFor(count), ok
	}
	if !client.IsValid() {
		return a, 0, true
	}
	from := cache.Key("throttle", client.String())
	count, ok = a.counter.Add(ctx, from, 1, a.allMost)
	if !ok || count.Full {
		a.void(ctx) // the name's count alone
		return sharedAttempt{}, waitFor(count), ok
	}
	a.from = from
	return a, 0, true
}

func waitFor(count cache.Count) time.Duration {
	if !count.Full {
		return 0
	}
	return count.Left
}

// right takes the attempt back, and the failures of the pair with it.
func (a sharedAttempt) right(ctx context.Context) {
	if a.counter == nil {
		return
	}
	a.counter.Delete(ctx, a.pair)
	if a.from != "" {
		a.counter.Add(ctx, a.from, -1, a.allMost)
	}
}

// void takes the attempt back.
func (a sharedAttempt) void(ctx context.Context) {
	if a.counter == nil {
		return
	}
	a.counter.Add(ctx, a.pair, -1, a.pairMost)
	if a.from != "" {
		a.counter.Add(ctx, a.from, -1, a.allMost)
	}
}
