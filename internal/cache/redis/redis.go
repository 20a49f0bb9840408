// Package redis is the Cache and the Counter of several processes, in Redis, with a copy in memory of what was
// read.
// It promises that a Redis that is slow, dead or full of rubbish is a miss: after the first time-out nobody
// waits for it until it answers again.
// It must not know what an entry means.
package redis

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/redisclient"
)

const (
	// attempt bounds what a request to the registry may wait for Redis.
	attempt = 250 * time.Millisecond
	// rest is how long Redis is left alone after a failure; then one request tries it.
	rest = 2 * time.Second
	// stamp is how many bytes before a value say until when it holds.
	stamp = 8
)

// Cache keeps values in Redis, and counts there.
type Cache struct {
	client *redisclient.Client
	near   cache.Cache
	log    *slog.Logger

	mu     sync.Mutex
	resume time.Time // guarded by mu; Redis is left alone until then
}

// New returns one that keeps what it reads and writes in near, too. It connects to nobody: the first entry
// does.
func New(client *redisclient.Client, near cache.Cache, log *slog.Logger) *Cache {
	return &Cache{client: client, near: near, log: log}
}

// Get is as the contract says.
func (c *Cache) Get(ctx context.Context, key string) (value []byte, ok bool) {
	if value, ok := c.near.Get(ctx, key); ok {
		return value, true
	}
	var stored []byte
	c.try(ctx, func(ctx context.Context) (err error) {
		// Whoever may write to Redis must not fill our memory.
		stored, err = c.client.GetRange(ctx, c.client.Key("cache", key), 0, stamp+cache.MaxValue).Bytes()
		return err
	})
	if len(stored) < stamp || len(stored) > stamp+cache.MaxValue {
		return nil, false
	}
	until := time.UnixMilli(int64(binary.BigEndian.Uint64(stored)))
	left := time.Until(until)
	if left <= 0 {
		return nil, false
	}
	c.near.Set(ctx, key, stored[stamp:], left)
	return stored[stamp:], true
}

// Set is as the contract says.
func (c *Cache) Set(ctx context.Context, key string, value []byte, ttl time.Duration) {
	if len(value) > cache.MaxValue || ttl < time.Millisecond {
		return
	}
	c.near.Set(ctx, key, value, ttl)
	stored := binary.BigEndian.AppendUint64(make([]byte, 0, stamp+len(value)), uint64(time.Now().Add(ttl).UnixMilli()))
	stored = append(stored, value...)
	c.try(ctx, func(ctx context.Context) error {
		return c.client.Set(ctx, c.client.Key("cache", key), stored, ttl).Err()
	})
}

// Delete is as the contracts say.
func (c *Cache) Delete(ctx context.Context, key string) {
	c.near.Delete(ctx, key)
	c.try(ctx, func(ctx context.Context) error {
		return c.client.Del(ctx, c.client.Key("cache", key)).Err()
	})
}

// add counts. It answers whether the count is full, and the milliseconds until its window ends. KEYS count;
// ARGV n, limit, window in milliseconds.
var add = redis.NewScript(`
local count = tonumber(redis.call('GET', KEYS[1]) or 0)
local n = tonumber(ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if n > 0 and count >= tonumber(ARGV[2]) then
  return {1, left}
end
if n < 0 and count + n < 0 then
  return {0, left}
end
redis.call('INCRBY', KEYS[1], n)
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return {0, left}
`)

// Add is as the contract says.
func (c *Cache) Add(ctx context.Context, key string, n int64, limit cache.Limit) (count cache.Count, ok bool) {
	var answer []int64
	ok = c.try(ctx, func(ctx context.Context) (err error) {
		answer, err = add.Run(ctx, c.client, []string{c.client.Key("cache", key)}, n, limit.Most, limit.Window.Milliseconds()).Int64Slice()
		return err
	})
	if !ok || len(answer) != 2 {
		return cache.Count{}, false
	}
	left := time.Duration(answer[1]) * time.Millisecond
	if left <= 0 || left > limit.Window {
		left = limit.Window // somebody else has written there
	}
	return cache.Count{Full: answer[0] == 1, Left: left}, true
}

// try asks Redis, unless it failed a moment ago. A request whose client went away is finished: that it was
// cut off says nothing of Redis.
func (c *Cache) try(ctx context.Context, ask func(context.Context) error) bool {
	if !c.begin() {
		return false
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
	defer cancel()
	err := ask(bounded)
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	c.end(ctx, err)
	return err == nil
}

// begin says whether Redis may be asked. After a rest one request is the trial, and the others go without
// until it has ended.
func (c *Cache) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resume.IsZero() {
		return true
	}
	if time.Now().Before(c.resume) {
		return false
	}
	c.resume = time.Now().Add(rest)
	return true
}

func (c *Cache) end(ctx context.Context, err error) {
	c.mu.Lock()
	resting := !c.resume.IsZero()
	switch {
	case err == nil:
		c.resume = time.Time{}
	default:
		c.resume = time.Now().Add(rest)
	}
	c.mu.Unlock()
	switch {
	case err != nil && !resting:
		c.log.WarnContext(ctx, "redis does not answer: the shared cache is left out until it does", "error", c.client.Explain(err))
	case err == nil && resting:
		c.log.InfoContext(ctx, "redis answers again")
	}
}
