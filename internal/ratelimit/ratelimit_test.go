package ratelimit

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New[string](2)
		for i := range 20 {
			if wait := l.Take("a"); wait != 0 {
				t.Fatalf("time %d must wait %v, want none: ten seconds of them may come at once", i+1, wait)
			}
		}
		if wait := l.Take("a"); wait != 500*time.Millisecond {
			t.Errorf("one on top must wait %v, want until the next one is due", wait)
		}
		if wait := l.Take("b"); wait != 0 {
			t.Errorf("another one must wait %v, want none", wait)
		}
		time.Sleep(500 * time.Millisecond)
		if wait := l.Take("a"); wait != 0 {
			t.Errorf("got a wait of %v when the next one is due, want none: what is refused does not count", wait)
		}
	})
}

// TestWhatIsRefusedAtOnceCostsNothing: many that come together and are refused lend nothing from the time to come.
func TestWhatIsRefusedAtOnceCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New[string](1)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 1000 {
					l.Take("a")
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		if wait := l.Take("a"); wait != 0 {
			t.Errorf("got a wait of %v a second later, want none", wait)
		}
	})
}

func TestNoLimit(t *testing.T) {
	t.Parallel()
	l := New[int](0)
	for range 1000 {
		if wait := l.Take(1); wait != 0 {
			t.Fatalf("got a wait of %v, want none", wait)
		}
	}
}

func TestARateBelowOneASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New[int](0.01)
		if wait := l.Take(1); wait != 0 {
			t.Errorf("the first must wait %v, want none", wait)
		}
		if wait := l.Take(1); wait != 100*time.Second {
			t.Errorf("the second must wait %v, want 100s", wait)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := New[int](0.01)
	for key := range most + 1 {
		l.Take(key)
	}
	if wait := l.Take(0); wait != 0 {
		t.Errorf("the key that was used first must wait %v, want that it was forgotten", wait)
	}
	if wait := l.Take(most); wait == 0 {
		t.Error("the key that was used last need not wait, want that it is remembered")
	}
}
