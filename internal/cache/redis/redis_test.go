package redis

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/cache/memory"
	"github.com/sreg-project/sreg/internal/redisclient"
	"github.com/sreg-project/sreg/internal/redisclient/redistest"
)

// newCache is the cache of one process.
func newCache(t *testing.T, url, prefix string) *Cache {
	t.Helper()
	cfg := redisclient.DefaultConfig()
	cfg.URL, cfg.KeyPrefix = url, prefix
	client, err := redisclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return New(client, memory.New(bytesize.MiB), slog.New(slog.DiscardHandler))
}

func TestValuesAreShared(t *testing.T) {
	t.Parallel()
	server, prefix := redistest.Shared(t)
	a, b := newCache(t, server.URL(), prefix), newCache(t, server.URL(), prefix)
	ctx := t.Context()
	if _, ok := a.Get(ctx, "key"); ok {
		t.Error("found what nobody set")
	}
	a.Set(ctx, "key", []byte("value"), time.Minute)
	for _, c := range []*Cache{a, b} {
		if got, ok := c.Get(ctx, "key"); !ok || string(got) != "value" {
			t.Errorf("got %q, %v, want the value", got, ok)
		}
	}
	if left := a.client.PTTL(ctx, prefix+"cache:key").Val(); left <= 0 || left > time.Minute {
		t.Errorf("got a time to live of %s, want a minute", left)
	}
	b.Delete(ctx, "key")
	if _, ok := newCache(t, server.URL(), prefix).Get(ctx, "key"); ok {
		t.Error("found what was deleted")
	}
	a.Set(ctx, "large", make([]byte, cache.MaxValue+1), time.Minute)
	if _, ok := a.Get(ctx, "large"); ok {
		t.Error("found what is too large")
	}
}

func TestWhatOthersWroteIsAMiss(t *testing.T) {
	t.Parallel()
	server, prefix := redistest.Shared(t)
	c := newCache(t, server.URL(), prefix)
	stamped := func(until time.Time, value string) string {
		return string(binary.BigEndian.AppendUint64(nil, uint64(until.UnixMilli()))) + value
	}
	for name, value := range map[string]string{
		"empty": "", "short": "1234567", "over": stamped(time.Now().Add(-time.Second), "x"),
		"too large": stamped(time.Now().Add(time.Hour), strings.Repeat("x", cache.MaxValue+1)),
		"negative":  strings.Repeat("\xff", 20),
	} {
		if err := c.client.Set(t.Context(), prefix+"cache:"+name, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Get(t.Context(), name); ok {
			t.Errorf("%s: got %d bytes, want a miss", name, len(got))
		}
	}
	if err := c.client.LPush(t.Context(), prefix+"cache:list", 1).Err(); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Get(t.Context(), "list"); ok {
		t.Error("got a list, want a miss")
	}
}

func TestCountsAreSharedAndFull(t *testing.T) {
	t.Parallel()
	server, prefix := redistest.Shared(t)
	caches := []*Cache{newCache(t, server.URL(), prefix), newCache(t, server.URL(), prefix)}
	limit := cache.Limit{Most: 10, Window: time.Minute}
	var full, free atomic.Int64
	var work sync.WaitGroup
	for i := range 40 {
		work.Go(func() {
			count, ok := caches[i%2].Add(t.Context(), "key", 1, limit)
			switch {
			case !ok:
				t.Error("nobody knows the count")
			case count.Full:
				full.Add(1)
			default:
				free.Add(1)
			}
			if count.Left <= 0 || count.Left > time.Minute {
				t.Errorf("got %s left, want at most the window", count.Left)
			}
		})
	}
	work.Wait()
	if free.Load() != 10 || full.Load() != 30 {
		t.Errorf("got %d counted and %d refused, want 10 and 30", free.Load(), full.Load())
	}
	c := caches[0]
	c.Add(t.Context(), "key", -1, limit)
	if count, _ := c.Add(t.Context(), "key", 1, limit); count.Full {
		t.Error("full after one was taken back")
	}
	c.Delete(t.Context(), "key")
	c.Add(t.Context(), "key", -1, limit) // of a window that is over
	for range 10 {
		if count, _ := c.Add(t.Context(), "key", 1, limit); count.Full {
			t.Error("full after it began anew")
		}
	}
	if count, _ := c.Add(t.Context(), "key", 1, limit); !count.Full {
		t.Error("one more than the limit was counted")
	}
	short := cache.Limit{Most: 1, Window: 20 * time.Millisecond}
	c.Add(t.Context(), "short", 1, short)
	for end := time.Now().Add(5 * time.Second); ; {
		if count, _ := c.Add(t.Context(), "short", 1, short); !count.Full {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a window does not end")
		}
	}
}

// counting counts the requests that a client sends.
type counting struct{ sent atomic.Int64 }

func (*counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		c.sent.Add(1)
		return next(ctx, command)
	}
}

func TestARedisThatIsDeadCostsOneTimeout(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	c := newCache(t, server.URL(), "sreg:")
	ctx := t.Context()
	c.Set(ctx, "near", []byte("value"), time.Minute)
	server.Pause()
	var requests counting
	c.client.AddHook(&requests)
	begun := time.Now()
	for range 1000 {
		if _, ok := c.Get(ctx, "key"); ok {
			t.Fatal("a paused Redis answered")
		}
		if _, ok := c.Add(ctx, "count", 1, cache.Limit{Most: 1, Window: time.Minute}); ok {
			t.Fatal("a paused Redis counted")
		}
		c.Set(ctx, "other", []byte("value"), time.Minute)
	}
	if sent, most := requests.sent.Load(), 1+int64(time.Since(begun)/retryAfter); sent > most {
		t.Errorf("3000 calls sent %d requests, want %d: one, and one whenever Redis may be back", sent, most)
	}
	if got, ok := c.Get(ctx, "near"); !ok || !bytes.Equal(got, []byte("value")) {
		t.Error("what is in memory went with Redis")
	}
	server.Resume()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // nothing tells that Redis is asked again
		if _, ok := c.Add(ctx, "count", 1, cache.Limit{Most: 1 << 40, Window: time.Minute}); ok {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a Redis that answers again is left out")
		}
	}
}
