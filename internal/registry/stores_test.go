package registry_test

import (
	"context"
	"os"
	"testing"

	"github.com/sreg-project/sreg/internal/lock"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// opener opens one store, as one more process.
type opener func(t *testing.T) backend

// inMemory is a new store in memory.
func inMemory(*testing.T) opener {
	s := memory.New(memory.Options{})
	return func(*testing.T) backend { return s }
}

// inFolder is a new folder.
func inFolder(t *testing.T) opener {
	t.Helper()
	root := t.TempDir()
	return func(t *testing.T) backend {
		t.Helper()
		s, err := fs.New(fs.Config{Root: root}, fs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// sampling says in which store a proof breaks something, and at which of its steps.
type sampling struct {
	at           func(t *testing.T) opener
	first, every int // in steps
}

// everywhere proves something in memory at every step, and in folders at some, which are others from turn to
// turn. In the slow set those are all, too.
func everywhere(t *testing.T, name string, turn int, prove func(t *testing.T, sample sampling)) {
	t.Helper()
	// No schedule of these tests repeats itself after so many steps.
	every := sparse(11, 1)
	for in, sample := range map[string]sampling{
		"in memory":  {inMemory, 1, 1},
		"in folders": {inFolder, 1 + turn%every, every},
	} {
		t.Run(name+", "+in, func(t *testing.T) {
			t.Parallel()
			prove(t, sample)
		})
	}
}

// sparse is every how many steps something is broken where each costs much: the slow set breaks more of them.
func sparse(quick, slow int) int {
	if os.Getenv("SREG_TEST_ALL") == "1" {
		return slow
	}
	return quick
}

// backend is a store that can be created.
type backend interface {
	storage.Store
	Create(ctx context.Context) error
}

// sharedStore is a store that several processes open, and the locks that they have in common.
type sharedStore struct {
	t     *testing.T
	at    opener
	locks lock.Locker
}

func newSharedStore(t *testing.T, at opener) *sharedStore {
	t.Helper()
	newWorld(t, at)
	return &sharedStore{t: t, at: at, locks: lockmemory.New()}
}

// open opens the store as one more process.
func (s *sharedStore) open() backend {
	s.t.Helper()
	store := s.at(s.t)
	s.t.Cleanup(func() { store.Close() })
	return store
}

// world is one more process on the store.
func (s *sharedStore) world() *world { return s.faultyWorld(faulty.NewInjector(faulty.Plan{})) }

// faultyWorld is one for which the store breaks as planned.
func (s *sharedStore) faultyWorld(in *faulty.Injector) *world {
	s.t.Helper()
	return openWorld(s.t, faulty.New(s.open(), in), func(o *registry.Options) { o.Locks = s.locks })
}

// readsToOpen is how often New reads: the stores' format, which is no step of an operation.
func (s *sharedStore) readsToOpen() int {
	s.t.Helper()
	in := faulty.NewInjector(faulty.Plan{})
	s.faultyWorld(in)
	return in.Reads()
}
