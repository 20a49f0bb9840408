package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// trashReads counts how often an entry of the trash is read.
type trashReads struct {
	storage.Store
	n atomic.Int64
}

func (s *trashReads) Get(ctx context.Context, key string) (storage.Value, error) {
	if strings.HasPrefix(key, "_deleted/") {
		s.n.Add(1)
	}
	return s.Store.Get(ctx, key)
}

// TestADestructionReadsTheTrashOfANamespaceOnce to choose, and once more to drop what is in it.
func TestADestructionReadsTheTrashOfANamespaceOnce(t *testing.T) {
	t.Parallel()
	store := &trashReads{Store: memory.New(memory.Options{})}
	reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: lockmemory.New(), Config: registry.DefaultConfig()})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	must(reg.Maintenance().Create(t.Context()))
	ns := ocitest.Name("team/app")
	const images = 20
	for i := range images {
		image := ocitest.Image(fmt.Sprint(i))
		must(registrytest.Pusher{To: reg}.Push(t.Context(), ns, image))
		must(reg.DeleteManifest(t.Context(), ns, image.Digest, "bob"))
	}
	store.n.Store(0)
	d := newDestruction(storeRef{Namespace: ns}, &openedStore{Core: &snapshot.Core{Registry: reg, Maintenance: reg.Maintenance()}})
	must(d.choose(t.Context()))
	if got := store.n.Load(); got != images || d.removed != images {
		t.Errorf("got %d reads for %d entries, want one for each of %d", got, d.removed, images)
	}
	must(d.remove(t.Context()))
	if got := store.n.Load(); got != 2*images {
		t.Errorf("got %d reads of the trash with its removal, want %d", got, 2*images)
	}
}

// greedy is a store that somebody else collects as soon as it is released, and never gives back.
type greedy struct{ storage.Store }

func (s *greedy) Claim(ctx context.Context, name, note string) (context.Context, func(), error) {
	held, release, err := s.Store.Claim(ctx, name, note)
	if err != nil {
		return held, release, err
	}
	return held, func() {
		release()
		_, _, _ = s.Store.Claim(context.WithoutCancel(ctx), name, "greedy")
	}, nil
}

// TestADestructionIsOneClaim: a collector that came between the removal of a tag and that of what it stood for would leave
// half of it undone.
func TestADestructionIsOneClaim(t *testing.T) {
	t.Parallel()
	store := &greedy{memory.New(memory.Options{})}
	reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: lockmemory.New(), Config: registry.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	m, ns := reg.Maintenance(), ocitest.Name("team/app")
	pushed := registrytest.Pusher{To: reg}.Push(t.Context(), ns, ocitest.Image("a"), ocitest.Tag("v1"))
	collector, err := gc.New(gc.Options{Registry: m, Config: gc.DefaultConfig()})
	if err := errors.Join(pushed, err, m.Create(t.Context())); err != nil {
		t.Fatal(err)
	}
	d := newDestruction(storeRef{Namespace: ns, Tag: ocitest.Tag("v1")}, &openedStore{Core: &snapshot.Core{Registry: reg, Maintenance: m}})
	if err := d.choose(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := d.carryOut(t.Context(), collector)
	if err != nil || len(rows) != 4 {
		t.Errorf("got %d things and error %v, want a tag, a manifest and two blobs", len(rows), err)
	}
	for _, row := range rows {
		if row.Result != destroyed {
			t.Errorf("%s %s: %q", row.Result, row.Ref, row.Why)
		}
	}
}

// crowded is a store in which somebody pushes just before a manifest is deleted.
type crowded struct {
	storage.Store
	push func()
}

func (s *crowded) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	if push := s.push; push != nil && strings.HasPrefix(key, "_deleted/") {
		s.push = nil
		push()
	}
	return s.Store.Put(ctx, key, data, opts)
}

// TestADestructionLeavesWhatSomebodyPushesMeanwhile: an index that names a manifest which is about to go has been
// acknowledged, so that what it names can be restored, and the command says that it stays.
func TestADestructionLeavesWhatSomebodyPushesMeanwhile(t *testing.T) {
	t.Parallel()
	store := &crowded{Store: memory.New(memory.Options{})}
	reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: lockmemory.New(), Config: registry.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	m, ns, subject := reg.Maintenance(), ocitest.Name("team/app"), ocitest.Image("a")
	sbom := ocitest.Referrer(subject, "application/vnd.example.sbom")
	pusher := registrytest.Pusher{To: reg}
	collector, err := gc.New(gc.Options{Registry: m, Config: gc.DefaultConfig()})
	if err := errors.Join(err, m.Create(t.Context()), pusher.Push(t.Context(), ns, subject, ocitest.Tag("v1")), pusher.Push(t.Context(), ns, sbom)); err != nil {
		t.Fatal(err)
	}
	d := newDestruction(storeRef{Namespace: ns, Digest: sbom.Digest}, &openedStore{Core: &snapshot.Core{Registry: reg, Maintenance: m}})
	if err := d.choose(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.push = func() {
		index := ocitest.Index(sbom)
		if err := pusher.PushManifest(context.WithoutCancel(t.Context()), ns, index.Content); err != nil {
			t.Error(err)
		}
	}
	rows, err := d.carryOut(t.Context(), collector)
	if err != nil || store.push != nil {
		t.Fatalf("got %v, want that somebody pushed", err)
	}
	if err := d.failure(t.Context(), rows); err == nil {
		t.Errorf("got %+v, want that it stays", rows)
	}
	if _, err := m.Restore(t.Context(), registry.RestoreOptions{Namespace: ns, Digest: sbom.Digest}); err != nil {
		t.Errorf("what an index names that was pushed meanwhile cannot be restored: %v", err)
	}
}
