package registry_test

import (
	"context"
	"os"
	"testing"
	"time"

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

// where says in which stores a proof breaks something, and before which of its steps.
type where struct {
	at           func(t *testing.T) opener
	first, every int // in steps
}

// everywhere proves something in memory at every step, and in folders at some, which are others from turn to
// turn. In the slow set those are all, too.
func everywhere(t *testing.T, name string, turn int, prove func(t *testing.T, w where)) {
	t.Helper()
	// No schedule of these tests repeats itself after so many steps.
	every := sparse(11, 1)
	for in, w := range map[string]where{
		"in memory":  {inMemory, 1, 1},
		"in folders": {inFolder, 1 + turn%every, every},
	} {
		t.Run(name+", "+in, func(t *testing.T) {
			t.Parallel()
			prove(t, w)
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

// place is where a store lies, which is opened several times as by several processes.
type place struct {
	t     *testing.T
	at    opener
	locks lock.Locker
}

// backend is a store that can be born.
type backend interface {
	storage.Store
	Create(ctx context.Context) error
}

// newPlace is one in memory.
func newPlace(t *testing.T) *place {
	t.Helper()
	return newPlaceAt(t, inMemory(t))
}

func newPlaceAt(t *testing.T, at opener) *place {
	t.Helper()
	p := &place{t: t, at: at, locks: lockmemory.New()}
	if err := p.store().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := p.open(faulty.NewInjector(faulty.Plan{}))
	if err := w.reg.Maintenance().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) store() backend {
	p.t.Helper()
	s := p.at(p.t)
	p.t.Cleanup(func() { s.Close() })
	return s
}

// readsToOpen is how often New reads: the stores' format, which is no step of an operation.
func (p *place) readsToOpen() int {
	p.t.Helper()
	in := faulty.NewInjector(faulty.Plan{})
	p.open(in)
	return in.Reads()
}

func (p *place) open(in *faulty.Injector) *world {
	p.t.Helper()
	s := faulty.New(p.store(), in)
	reg, err := registry.New(p.t.Context(), registry.Options{
		Blobs: s, Metadata: s, Locks: p.locks, Config: registry.DefaultConfig(), Now: time.Now,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return &world{t: p.t, ctx: p.t.Context(), reg: reg, store: s}
}
