package registry_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// asked is a Store, behind a network or not, that counts who looks whether it answers.
type asked struct {
	storage.Store
	service bool
	looks   atomic.Int64
	off     atomic.Bool
}

func (s *asked) Features() storage.Features {
	return storage.Features{ConditionalWrites: true, Service: s.service}
}

func (s *asked) Get(context.Context, string) (storage.Value, error) {
	return storage.Value{}, storage.ErrNotExist
}

func (s *asked) Probe(context.Context) error {
	s.looks.Add(1)
	time.Sleep(100 * time.Millisecond) // of the bubble's clock
	if s.off.Load() {
		return errors.New("it does not answer")
	}
	return nil
}

// TestAStoreIsLookedAtOnceASecond: readiness costs the store the same however many ask, and follows it.
func TestAStoreIsLookedAtOnceASecond(t *testing.T) {
	t.Parallel()
	t.Run("behind a network", func(t *testing.T) { lookedAtOnceASecond(t, &asked{service: true}) })
	t.Run("in a folder", func(t *testing.T) { lookedAtOnceASecond(t, &asked{}) })
}

func lookedAtOnceASecond(t *testing.T, store *asked) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := openWorld(t, store).reg
		ask := func() (failed int64) {
			var failures atomic.Int64
			var work sync.WaitGroup
			for range 20 {
				work.Go(func() {
					if r.Ready(t.Context()) != nil {
						failures.Add(1)
					}
				})
			}
			work.Wait()
			return failures.Load()
		}
		for range 3 {
			if failed := ask(); failed > 0 || store.looks.Load() != 1 {
				t.Fatalf("%d of 20 are not ready after %d looks, want 0 after one", failed, store.looks.Load())
			}
		}
		store.off.Store(true)
		time.Sleep(time.Second)
		if failed := ask(); failed != 20 || store.looks.Load() != 2 {
			t.Errorf("%d of 20 are not ready after %d looks, want all after 2", failed, store.looks.Load())
		}
		store.off.Store(false)
		time.Sleep(time.Second)
		if failed := ask(); failed > 0 {
			t.Errorf("%d of 20 are not ready when it answers again", failed)
		}
		gone, cancel := context.WithCancel(t.Context())
		time.Sleep(time.Second)
		time.AfterFunc(time.Millisecond, cancel)
		if err := r.Ready(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever goes away gets %v, want context.Canceled", err)
		}
		if err := r.Ready(t.Context()); err != nil {
			t.Errorf("the look that he began is %v", err)
		}
	})
}
