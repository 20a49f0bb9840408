// Package locktest proves that a Locker keeps the contract of package lock.
// It promises one subtest for each sentence of the contract, and no sleep in any of them.
// It must not know which Locker it tests.
package locktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
)

// impatience is how long a test waits for a lock that it must not get.
const impatience = 20 * time.Millisecond

// Run proves a Locker. The function returns one that holds nothing yet.
func Run(t *testing.T, newLocker func(t *testing.T) lock.Locker) {
	tests := []struct {
		name string
		test func(*testing.T, lock.Locker)
	}{
		{"a key has one holder at a time", testExclusive},
		{"a free key is given again", testAgain},
		{"keys are independent", testIndependent},
		{"a waiter gets the key when it is unlocked", testWaiting},
		{"a waiter gives up when its context ends", testGivingUp},
		{"an ended context locks nothing", testEnded},
		{"a waiter that gave up does not keep the key", testGaveUp},
		{"the held context ends with unlock", testHeldEnds},
		{"the held context ends with its parent", testParentEnds},
		{"unlock is idempotent", testIdempotent},
		{"many goroutines take turns", testTurns},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t, newLocker(t))
		})
	}
}

func testExclusive(t *testing.T, l lock.Locker) {
	held, unlock := mustLock(t, l, "key")
	defer unlock()
	wantHeld(t, l)
	if err := held.Err(); err != nil {
		t.Errorf("got held context %v while the lock is held, want it alive", err)
	}
}

func testAgain(t *testing.T, l lock.Locker) {
	for range 3 {
		_, unlock := mustLock(t, l, "key")
		unlock()
	}
}

func testIndependent(t *testing.T, l lock.Locker) {
	_, unlockA := mustLock(t, l, "a")
	defer unlockA()
	_, unlockB := mustLock(t, l, "b")
	defer unlockB()
}

func testWaiting(t *testing.T, l lock.Locker) {
	_, unlock := mustLock(t, l, "key")
	got := make(chan error, 1)
	go func() { // ends when it has the lock
		_, unlock, err := l.Lock(t.Context(), "key")
		if err == nil {
			unlock()
		}
		got <- err
	}()
	wantHeld(t, l)
	select {
	case err := <-got:
		t.Errorf("a waiter came through with %v while the key was held", err)
	default:
	}
	unlock()
	if err := <-got; err != nil {
		t.Errorf("got error %v for a waiter, want the lock", err)
	}
}

func testGivingUp(t *testing.T, l lock.Locker) {
	_, unlock := mustLock(t, l, "key")
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), impatience)
	defer cancel()
	_, _, err := l.Lock(ctx, "key")
	if !errors.Is(err, lock.ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want one that is %v and %v", err, lock.ErrHeld, context.DeadlineExceeded)
	}
}

func testEnded(t *testing.T, l lock.Locker) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Lock(ctx, "key"); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	_, unlock := mustLock(t, l, "key")
	unlock()
}

func testGaveUp(t *testing.T, l lock.Locker) {
	_, unlock := mustLock(t, l, "key")
	wantHeld(t, l)
	unlock()
	_, unlock = mustLock(t, l, "key")
	unlock()
}

func testHeldEnds(t *testing.T, l lock.Locker) {
	held, unlock := mustLock(t, l, "key")
	unlock()
	<-held.Done()
}

func testParentEnds(t *testing.T, l lock.Locker) {
	ctx, cancel := context.WithCancel(t.Context())
	held, unlock, err := l.Lock(ctx, "key")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-held.Done()
	wantHeld(t, l) // the work may still be under way
	unlock()
}

func testIdempotent(t *testing.T, l lock.Locker) {
	_, unlock := mustLock(t, l, "key")
	unlock()
	_, unlockNext := mustLock(t, l, "key")
	unlock()
	wantHeld(t, l)
	unlockNext()
}

func testTurns(t *testing.T, l lock.Locker) {
	const goroutines, turns = 8, 20
	counts := [2]int{} // each guarded by the lock of its index: the race detector watches
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for range turns {
				_, unlock, err := l.Lock(t.Context(), fmt.Sprint("key", i%2))
				if err != nil {
					t.Error(err)
					return
				}
				counts[i%2]++
				unlock()
			}
		})
	}
	wg.Wait()
	if want := goroutines / 2 * turns; counts != [2]int{want, want} {
		t.Errorf("got counts %v, want %d each", counts, want)
	}
}

func mustLock(t *testing.T, l lock.Locker, key string) (context.Context, func()) {
	t.Helper()
	held, unlock, err := l.Lock(t.Context(), key)
	if err != nil {
		t.Fatalf("lock a free key: %v", err)
	}
	return held, unlock
}

// wantHeld fails if the lock named key can be had.
func wantHeld(t *testing.T, l lock.Locker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), impatience)
	defer cancel()
	_, unlock, err := l.Lock(ctx, "key")
	if err == nil {
		unlock()
		t.Fatal("got a lock that another holds")
	}
	if !errors.Is(err, lock.ErrHeld) {
		t.Fatalf("got error %v, want %v", err, lock.ErrHeld)
	}
}
