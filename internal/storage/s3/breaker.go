package s3

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/sreg-project/sreg/internal/storage"
)

// errResting is what is answered while the breaker is open.
var errResting = errors.New("it failed several times in a row and is given a rest")

// breaker answers in place of a service that fails, until a request that it lets through succeeds.
type breaker struct {
	inner    *gobreaker.TwoStepCircuitBreaker[struct{}] // nil = never opens
	cooldown time.Duration
	opened   atomic.Int64 // when, in nanoseconds since 1970
}

// newBreaker tells each change to the log once, and to changed.
func newBreaker(cfg Breaker, store string, log *slog.Logger, changed func(open bool)) *breaker {
	b := &breaker{cooldown: cfg.Cooldown}
	if cfg.Failures == 0 {
		return b
	}
	b.inner = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     cfg.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(cfg.Failures) },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case to == gobreaker.StateOpen:
				b.opened.Store(time.Now().UnixNano())
				if from == gobreaker.StateClosed {
					log.Error("store does not answer", "store", store)
					changed(true)
				}
			case to == gobreaker.StateClosed:
				log.Info("store answers again", "store", store)
				changed(false)
			}
		},
	})
	return b
}

// allow lets a request through, which then calls done, or says when to come again.
func (b *breaker) allow() (done func(error), err error) {
	if b.inner == nil {
		return func(error) {}, nil
	}
	done, err = b.inner.Allow()
	if err != nil {
		return nil, &storage.UnavailableError{RetryAfter: b.rest(), Cause: errResting}
	}
	return done, nil
}

// rest is how long the breaker stays open, at least a second.
func (b *breaker) rest() time.Duration {
	since := time.Since(time.Unix(0, b.opened.Load()))
	return max(b.cooldown-since, retrySoon)
}

// closed tells whether requests go through as ever: then alone is a failed one tried again.
func (b *breaker) closed() bool {
	return b.inner == nil || b.inner.State() == gobreaker.StateClosed
}
