// Package ratelimit bounds how often each of many may do something.
// It promises bounded memory however many there are, and to say when the next time is.
// It must not know who they are, nor what they do.
package ratelimit

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sreg-project/sreg/internal/lru"
)

const (
	// over is the time over which a rate is an average: what was not used in it may come at once.
	over = 10 * time.Second
	// most is how many keys are remembered, some 250 bytes each. The one that was used last the longest time ago is
	// forgotten first, and may then begin anew.
	most = 32 << 10
)

// Limits counts by key. New makes it; nil limits nothing.
type Limits[K comparable] struct {
	perSecond rate.Limit
	burst     int

	mu       sync.Mutex // held while a key that is new gets its limiter
	limiters *lru.Cache[K, *rate.Limiter]
}

// New makes the limits of so many times a second. 0 is no limit.
func New[K comparable](perSecond float64) *Limits[K] {
	if perSecond <= 0 {
		return nil
	}
	burst := max(1, math.Ceil(perSecond*over.Seconds()))
	return &Limits[K]{perSecond: rate.Limit(perSecond), burst: int(min(burst, math.MaxInt32)), limiters: lru.New[K, *rate.Limiter](most)}
}

// Take counts one more time of a key, or says how long it must wait before that.
func (l *Limits[K]) Take(key K) (wait time.Duration) {
	if l == nil {
		return 0
	}
	now, limiter := time.Now(), l.limiter(key)
	if limiter.AllowN(now, 1) { // what it refuses costs nothing, however many ask at once
		return 0
	}
	lacks := 1 - limiter.TokensAt(now)
	return max(time.Millisecond, time.Duration(lacks/float64(l.perSecond)*float64(time.Second)))
}

func (l *Limits[K]) limiter(key K) *rate.Limiter {
	if limiter, ok := l.limiters.Get(key); ok {
		return limiter
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if limiter, ok := l.limiters.Get(key); ok {
		return limiter
	}
	limiter := rate.NewLimiter(l.perSecond, l.burst)
	l.limiters.Put(key, limiter, 1)
	return limiter
}
