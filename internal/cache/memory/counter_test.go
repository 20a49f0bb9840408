package memory

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, limit := NewCounter(100), cache.Limit{Most: 2, Window: time.Minute}
		add := func(key string, n int64, want cache.Count) {
			t.Helper()
			if got, ok := c.Add(t.Context(), key, n, limit); !ok || got != want {
				t.Errorf("add %d: got %+v, %v, want %+v", n, got, ok, want)
			}
		}
		add("a", -1, cache.Count{Left: time.Minute}) // it never falls below 0
		add("a", 1, cache.Count{Left: time.Minute})
		time.Sleep(10 * time.Second) // of the bubble
		add("a", 1, cache.Count{Left: 50 * time.Second})
		add("a", 1, cache.Count{Full: true, Left: 50 * time.Second})
		add("b", 1, cache.Count{Left: time.Minute})
		add("a", -1, cache.Count{Left: 50 * time.Second})
		add("a", 1, cache.Count{Left: 50 * time.Second}) // a full count was not added to
		add("a", 1, cache.Count{Full: true, Left: 50 * time.Second})
		time.Sleep(50 * time.Second) // of the bubble
		add("a", 1, cache.Count{Left: time.Minute})
		add("a", 1, cache.Count{Left: time.Minute})
		c.Delete(t.Context(), "a")
		add("a", 1, cache.Count{Left: time.Minute})
		for i := range 100 {
			add(fmt.Sprint("other", i), 1, cache.Count{Left: time.Minute})
		}
		add("a", 1, cache.Count{Left: time.Minute}) // it was forgotten, else this were
		add("a", 1, cache.Count{Left: time.Minute}) // the third
	})
}
