// Package redis is the Cache and the Counter of several processes, in Redis, with a copy in memory of what was
// read.
// It promises that a Redis that is slow or dead, or holds what cannot be read, is a miss: after the first time-out
// nobody waits for it until it answers again.
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
	// timeout bounds how long a request to the registry may wait for Redis.
	timeout = 250 * time.Millisecond
	// retryAfter is how long Redis is not asked after a failure; then one request tries it.
	retryAfter = 2 * time.Second
	// stamp is the length of the time before a value, until when it is valid.
	stamp = 8
)

// Cache keeps values in Redis, and counts there.
type Cache struct {
	client *redisclient.Client
	near   cache.Cache
	log    *slog.Logger

	mu     sync.Mutex
	resume time.Time // guarded by mu; Redis is not asked before; zero = it answers
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
	c.ask(ctx, func(ctx context.Context) (err error) {
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
	c.ask(ctx, func(ctx context.Context) error {
		return c.client.Set(ctx, c.client.Key("cache", key), stored, ttl).Err()
	})
}

// Delete is as the contracts say.
func (c *Cache) Delete(ctx context.Context, key string) {
	c.near.Delete(ctx, key)
	c.ask(ctx, func(ctx context.Context) error {
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
	ok = c.ask(ctx, func(ctx context.Context) (err error) {
		answer, err = add.Run(ctx, c.client, []string{c.client.Key("cache", key)}, n, limit.Most, limit.Window.Milliseconds()).Int64Slice()
		return err
	})
	if !ok || len(answer) != 2 {
		return cache.Count{}, false
	}
	left := time.Duration(answer[1]) * time.Millisecond
	if left <= 0 || left > limit.Window {
		left = limit.Window // the key is not of our making
	}
	return cache.Count{Full: answer[0] == 1, Left: left}, true
}

// ask sends a request to Redis, unless Redis failed a moment ago. It goes on when the client has gone away: that a
// request was canceled would say nothing about Redis.
func (c *Cache) ask(ctx context.Context, request func(context.Context) error) bool {
	if !c.begin() {
		return false
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	err := request(bounded)
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	c.end(ctx, err)
	return err == nil
}

// begin says whether Redis may be asked. After a failure one request tries whether it answers again; until that has
// ended the others are misses.
func (c *Cache) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resume.IsZero() {
		return true
	}
	if time.Now().Before(c.resume) {
		return false
	}
	c.resume = time.Now().Add(retryAfter)
	return true
}

func (c *Cache) end(ctx context.Context, err error) {
	c.mu.Lock()
	failing := !c.resume.IsZero()
	switch {
	case err == nil:
		c.resume = time.Time{}
	default:
		c.resume = time.Now().Add(retryAfter)
	}
	c.mu.Unlock()
	switch {
	case err != nil && !failing:
		c.log.WarnContext(ctx, "redis does not answer: the shared cache is left out until it does", "error", c.client.Explain(err))
	case err == nil && failing:
		c.log.InfoContext(ctx, "redis answers again")
	}
}
