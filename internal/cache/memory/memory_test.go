package memory

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache"
)

func TestCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, ctx := New(bytesize.MiB), t.Context()
		c.Set(ctx, "key", []byte("value"), time.Minute)
		if got, ok := c.Get(ctx, "key"); !ok || !bytes.Equal(got, []byte("value")) {
			t.Errorf("got %q, %v, want the value", got, ok)
		}
		time.Sleep(time.Minute) // of the bubble
		if _, ok := c.Get(ctx, "key"); ok {
			t.Error("found what is over")
		}
		c.Set(ctx, "key", nil, time.Minute)
		c.Delete(ctx, "key")
		if _, ok := c.Get(ctx, "key"); ok {
			t.Error("found what was deleted")
		}
		c.Set(ctx, "large", make([]byte, cache.MaxValue+1), time.Minute)
		if _, ok := c.Get(ctx, "large"); ok {
			t.Error("found what is too large")
		}
		for i := range 100 {
			c.Set(ctx, string(rune('a'+i)), make([]byte, 100<<10), time.Minute)
		}
		if _, ok := c.Get(ctx, "a"); ok {
			t.Error("found what exceeds the budget")
		}
	})
}
