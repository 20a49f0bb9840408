package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sreg-project/sreg/internal/lock"
)

// hold is one lock, from the first request for it to its release.
type hold struct {
	locker *Locker
	name   string
	keys   []string
	token  string // random, so that only this hold can renew or release the lock
	next   func() // lets the next waiter of this process ask Redis

	// until is when another may get the lock, by our clock: the lease in Redis begins later. Only acquire, and
	// then renew, and then release, use it.
	until time.Time
}

// margin is the part of a lease that is not used, because clocks differ.
func margin(lease time.Duration) time.Duration { return lease / 10 }

// take gives the lock to the first who wants it, and puts all others into a queue. It answers 0 if the lock is the
// caller's, else the position in the queue, from 1 on.
// KEYS lock, queue, seen; ARGV token, lease and waiterSeen in milliseconds.
var take = redis.NewScript(`
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('ZREM', KEYS[3], gone)
end
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
local position = redis.call('ZRANK', KEYS[2], ARGV[1])
if not holder and (position or redis.call('ZCARD', KEYS[2])) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 0
end
if not position then
  local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
  redis.call('ZADD', KEYS[2], (last[2] or 0) + 1, ARGV[1])
  position = redis.call('ZRANK', KEYS[2], ARGV[1])
end
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[2], 2 * ARGV[3])
redis.call('PEXPIRE', KEYS[3], 2 * ARGV[3])
return position + 1
`)

// extend answers 1 if the lock is ours and 0 if it is not. KEYS lock; ARGV token, lease in milliseconds.
var extend = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

// drop gives up the lock, or the position in the queue. KEYS lock, queue, seen; ARGV token.
var drop = redis.NewScript(`
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
`)

// acquire waits for the lock. A request whose answer was lost is sent again with the same token, so it does not
// matter whether Redis had got it.
func (h *hold) acquire(ctx context.Context) error {
	var last error // nil if Redis answered
	for wait := firstPause; ; wait = min(wait*2, longestPause) {
		sent := time.Now()
		h.until = sent.Add(h.locker.lease)
		position, err := h.ask(ctx, take, sent.Add(attempt), h.token, h.locker.lease.Milliseconds(), waiterSeen.Milliseconds())
		if err != nil && ctx.Err() != nil {
			return waited(ctx, last)
		}
		last = err
		usable := h.until.Add(-margin(h.locker.lease))
		switch {
		case err != nil:
			if h.locker.out.failed(time.Now()) {
				return fmt.Errorf("%w: %w", lock.ErrUnavailable, h.locker.client.Explain(err))
			}
		case position > 0:
			h.locker.out.over()
		case time.Now().Before(usable):
			h.locker.out.over()
			h.until = usable
			return nil
		}
		if !pause(ctx, wait+min(time.Duration(position)*behind, longestBehind)) {
			return waited(ctx, last)
		}
	}
}

// waited is the error of a context that ended: others had the lock, or Redis did not answer.
func waited(ctx context.Context, last error) error {
	if last != nil {
		return fmt.Errorf("%w: %w: %w", lock.ErrUnavailable, ctx.Err(), last)
	}
	return fmt.Errorf("%w: %w", lock.ErrHeld, ctx.Err())
}

// ask runs a script until the end.
func (h *hold) ask(ctx context.Context, script *redis.Script, end time.Time, args ...any) (int64, error) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	return script.Run(ctx, h.locker.client, h.keys, args...).Int64()
}

// keep renews the lock until unlock is called.
func (h *hold) keep(ctx context.Context) (held context.Context, unlock func()) {
	held, cancel := context.WithCancelCause(ctx)
	unlocked, renewed := make(chan struct{}), make(chan struct{})
	h.locker.work.Go(func() { // ends with unlock, with the loss of the lock, or with the Locker
		defer close(renewed)
		if err := h.renew(unlocked, cancel); err != nil {
			cancel(lock.ErrLost)
			h.locker.log.WarnContext(ctx, "lock lost", "lock", h.name, "error", err)
		}
	})
	return held, sync.OnceFunc(func() {
		cancel(nil)
		close(unlocked)
		h.locker.work.Go(func() { // ends with the lease at the latest
			<-renewed
			h.release()
		})
	})
}

// renew keeps the lock until it is released, also when the context of the work has ended: the work may still go on.
// It returns why the lock was lost.
func (h *hold) renew(unlocked <-chan struct{}, cancel context.CancelCauseFunc) error {
	// The context ends in time, also while a request waits for its answer.
	end := time.AfterFunc(time.Until(h.until), func() { cancel(lock.ErrLost) })
	defer end.Stop()
	wait := h.locker.lease / 3
	var last error
	for {
		timer := time.NewTimer(wait)
		select {
		case <-unlocked:
			timer.Stop()
			return nil
		case <-h.locker.life.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		sent := time.Now()
		if !sent.Before(h.until) {
			return fmt.Errorf("redis was out of reach for %s: %w", h.locker.lease, h.locker.client.Explain(last))
		}
		patience := min(attempt, h.until.Sub(sent))
		ours, err := h.ask(context.Background(), extend, sent.Add(patience), h.token, h.locker.lease.Milliseconds())
		switch {
		case err != nil:
			last = err
			wait = min(h.locker.lease/20, time.Until(h.until)) + time.Millisecond
		case ours == 0:
			return errors.New("redis has forgotten it or given it to another")
		default:
			h.until = sent.Add(h.locker.lease - margin(h.locker.lease))
			end.Reset(time.Until(h.until))
			wait = h.locker.lease / 3
		}
	}
}

// release gives up the lock, or the position in the queue, and tries again while Redis is out of reach. The next
// waiter of this process waits for one request at most.
func (h *hold) release() {
	end := h.until.Add(margin(h.locker.lease))
	for wait := longestPause; ; wait = min(2*wait, h.locker.lease/10) {
		_, err := h.ask(context.Background(), drop, time.Now().Add(attempt), h.token)
		h.next() // more calls do nothing
		if err == nil || !time.Now().Before(end) || !pause(h.locker.life, wait) {
			return
		}
	}
}
