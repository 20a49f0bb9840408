package lru

import (
	"strconv"
	"sync"
	"testing"
)

func TestWhatWasNotUsedForLongestGoesFirst(t *testing.T) {
	c := New[string, int](3)
	for i, key := range []string{"a", "b", "c"} {
		c.Put(key, i, 1)
	}
	c.Get("a")
	c.Put("d", 3, 1)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, got := c.Get(key); got != want {
			t.Errorf("%s is there: got %v, want %v", key, got, want)
		}
	}
}

func TestAValueThatCostsMoreThanTheBudgetIsNotKept(t *testing.T) {
	c := New[string, int](3)
	c.Put("a", 1, 1)
	c.Put("a", 2, 4)
	if v, ok := c.Get("a"); ok {
		t.Errorf("got %d, want nothing: the old value must not outlive the new one", v)
	}
	if c.cost != 0 {
		t.Errorf("got cost %d, want 0", c.cost)
	}
}

func TestAForgottenKeyGivesItsCostBack(t *testing.T) {
	c := New[string, int](2)
	c.Put("a", 1, 2)
	c.Forget("a")
	c.Forget("a")
	c.Put("b", 1, 2)
	if _, ok := c.Get("b"); !ok {
		t.Error("b is not there, want it kept in the room that a gave back")
	}
}

func TestTheCostStaysWithinTheBudgetUnderConcurrency(t *testing.T) {
	c := New[string, int](100)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				key := strconv.Itoa((g*7 + i) % 300)
				c.Put(key, i, int64(i%9))
				c.Get(key)
			}
		})
	}
	wg.Wait()
	var sum int64
	linked := 0
	for e := c.ring.next; e != &c.ring; e = e.next {
		sum += e.cost
		linked++
	}
	if sum != c.cost || sum > 100 || linked != len(c.entries) {
		t.Errorf("got cost %d counted and %d summed over %d entries of %d, want equal and at most 100", c.cost, sum, linked, len(c.entries))
	}
}

func TestEachValueThatLeavesIsDroppedOnce(t *testing.T) {
	dropped := map[int]int{}
	c := NewDropping[string, int](2, func(v int) { dropped[v]++ })
	c.Put("a", 1, 1)
	c.Put("a", 2, 1) // replaces 1
	c.Put("b", 3, 1)
	c.Put("c", 4, 1) // pushes 2 out
	c.Put("d", 5, 3) // is never kept
	c.Forget("b")
	c.Clear()
	for v := range 5 {
		if dropped[v+1] != 1 {
			t.Errorf("value %d was dropped %d times, want once", v+1, dropped[v+1])
		}
	}
}
