package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/cache/memory"
)

// remote is a Counter that can be out of reach.
type remote struct {
	*memory.Counter
	away bool
}

func (r *remote) Add(ctx context.Context, key string, n int64, limit cache.Limit) (cache.Count, bool) {
	if r.away {
		return cache.Count{}, false
	}
	return r.Counter.Add(ctx, key, n, limit)
}

func TestFallback(t *testing.T) {
	t.Parallel()
	ctx, limit := t.Context(), cache.Limit{Most: 3, Window: time.Hour}
	all := &remote{Counter: memory.NewCounter(10)}
	here, there := cache.Fallback{All: all, Here: memory.NewCounter(10)}, cache.Fallback{All: all, Here: memory.NewCounter(10)}
	add := func(what string, f cache.Fallback, n int64, full bool) {
		t.Helper()
		if count, ok := f.Add(ctx, "key", n, limit); !ok || count.Full != full {
			t.Errorf("%s: got %+v, %v, want full: %v", what, count, ok, full)
		}
	}
	add("the first here", here, 1, false)
	add("the second here", here, 1, false)
	add("the third, elsewhere", there, 1, false)
	add("one more than all may", here, 1, true)
	all.away = true
	add("what was refused was not counted here", here, 1, false)
	add("one more than was seen here", here, 1, true)
	add("the second elsewhere", there, 1, false)
	all.away = false
	add("all instances decide again", there, 1, true)
	here.Delete(ctx, "key")
	add("begun anew", here, 1, false)
	add("begun anew for the other", there, 1, false)
}
