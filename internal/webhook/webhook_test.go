package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSameQuestionIsAskedOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		answer := make(chan struct{})
		c := overPipe(t, serves(func(*http.Request) int { asked.Add(1); <-answer; return 200 }), func(c *Config) { c.CacheTTL = time.Minute })
		var waiting sync.WaitGroup
		for i := range 50 {
			waiting.Go(func() {
				if got := ask(t, c, fmt.Sprint(i%2)); !got.Allowed() {
					t.Errorf("got %s, want allowed", got.Result)
				}
			})
		}
		synctest.Wait()
		if asked.Load() != 2 {
			t.Errorf("two questions of 50 are being asked %d times, want each once", asked.Load())
		}
		close(answer)
		waiting.Wait()
	})
}

func TestWhoAskedFirstMayGoAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		c := overPipe(t, serves(func(*http.Request) int { <-answer; return 200 }), func(c *Config) { c.CacheTTL = time.Minute })
		first, cancel := withCancel(t)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if got := c.Ask(first, Question{}); got.Result != Canceled {
				t.Errorf("who went away: got %s, want canceled", got.Result)
			}
		})
		synctest.Wait()
		waiting.Go(func() {
			if got := c.Ask(t.Context(), Question{}); !got.Allowed() {
				t.Errorf("who stayed: got %s, want allowed", got.Result)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(answer)
		waiting.Wait()
	})
}

func BenchmarkAskRemembered(b *testing.B) {
	c := overPipe(b, serves(func(*http.Request) int { return 200 }), func(c *Config) { c.CacheTTL = time.Hour })
	q := Question{
		Document: make([]byte, 600),
		Facts:    []Fact{{Name: "X-Registry-Action", Values: []string{"get-manifest"}}, {Name: "X-Registry-Username", Values: []string{"alice"}}},
	}
	c.Ask(b.Context(), q)
	b.ReportAllocs()
	for b.Loop() {
		if !c.Ask(b.Context(), q).Cached {
			b.Fatal("asked anew")
		}
	}
}

func TestWhoGoesAwayIsNotAFailureOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for name, ttl := range map[string]time.Duration{"cached": time.Minute, "not cached": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := overPipe(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, func(c *Config) { c.CacheTTL = ttl })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				got := c.Ask(ctx, Question{})
				if got.Result != Canceled || got.Allowed() || got.Broken() || !errors.Is(got.Err, context.DeadlineExceeded) {
					t.Errorf("got %s, %v, want canceled", got.Result, got.Err)
				}
				time.Sleep(c.config.Timeout) // of the bubble: the shared question ends by its time-out
			})
		})
	}
}
