package memory

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/lock/locktest"
)

func TestLocker(t *testing.T) {
	t.Parallel()
	locktest.Run(t, func(*testing.T) lock.Locker { return New() })
}

func TestWaitersAreServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New()
		_, unlock, err := l.Lock(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for i := range 5 {
			go func() {
				_, unlock, err := l.Lock(t.Context(), "key")
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, i) // the lock guards it
				unlock()
			}()
			synctest.Wait() // the waiter waits before the next one comes
		}
		unlock()
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
			t.Errorf("got order %v, want %v", got, want)
		}
	})
}

func TestKeysAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New()
		_, unlock, err := l.Lock(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait() // the waiter waits
			cancel()
		}()
		if _, _, err := l.Lock(ctx, "key"); !errors.Is(err, lock.ErrHeld) {
			t.Errorf("got error %v, want that the lock is held", err)
		}
		if got := l.keys["key"].users; got != 1 {
			t.Errorf("got %d users after a waiter gave up, want the holder alone", got)
		}
		unlock()
		if len(l.keys) != 0 {
			t.Errorf("got %d keys after the last unlock, want none", len(l.keys))
		}
	})
}

func BenchmarkLock(b *testing.B) {
	l := New()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, unlock, err := l.Lock(ctx, "key")
		if err != nil {
			b.Fatal(err)
		}
		unlock()
	}
}
