package gc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// altered is a store with other answers.
type altered struct {
	storage.Store
	features storage.Features
	busy     bool // every blob's upload is still open
}

func (a *altered) Features() storage.Features { return a.features }

func (a *altered) Condemn(ctx context.Context, key string) error {
	if a.busy && strings.HasPrefix(key, "_blobs/") {
		return storage.ErrBusy
	}
	return a.Store.Condemn(ctx, key)
}

// newAltered has a blob that nothing needs.
func newAltered(t *testing.T, set func(*altered)) (store *altered, collector func(registry.Config) *gc.Collector) {
	t.Helper()
	store = &altered{Store: memory.New(memory.Options{}), features: storage.Features{ConditionalWrites: true}}
	open := func(cfg registry.Config) *registry.Registry {
		reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: lockmemory.New(), Config: cfg})
		must(t, err)
		return reg
	}
	reg := open(registry.DefaultConfig())
	must(t, reg.Maintenance().Create(t.Context()))
	ns, pusher := ocitest.Name("app"), registrytest.Pusher{To: reg}
	must(t, pusher.Push(t.Context(), ns, ocitest.Index()))
	must(t, pusher.PushBlob(t.Context(), ns, ocitest.Layer("stray")))
	set(store)
	return store, func(cfg registry.Config) *gc.Collector {
		c, err := gc.New(gc.Options{Registry: open(cfg).Maintenance(), Config: gc.Config{MaxDelete: "100%", Concurrency: 1}})
		must(t, err)
		return c
	}
}

func TestWithoutConditionalWritesNothingIsCollectedBesideWriters(t *testing.T) {
	t.Parallel()
	_, collector := newAltered(t, func(a *altered) { a.features = storage.Features{} })
	cfg := registry.DefaultConfig()
	var refused *gc.RefusedError
	if _, err := collector(cfg).Run(t.Context(), gc.RunOptions{}); !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "registry.read_only") {
		t.Errorf("a run beside writers: %v, want a refusal that names registry.read_only", err)
	}
	if report, err := collector(cfg).Run(t.Context(), gc.RunOptions{DryRun: true}); err != nil || len(report.Plan.Condemn) == 0 {
		t.Errorf("a plan: %v, want one that condemns", err)
	}
	cfg.ReadOnly = true
	if report, err := collector(cfg).Run(t.Context(), gc.RunOptions{}); err != nil || report.Awaiting.Objects == 0 {
		t.Errorf("a run while nobody writes: %+v, %v, want something condemned", report, err)
	}
}
