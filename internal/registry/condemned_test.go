package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

// condemning is a Store that calls a function around each condemnation.
type condemning struct {
	storage.Store
	before, after func()
}

func (c *condemning) Condemn(ctx context.Context, key string) error {
	c.before()
	defer c.after()
	return c.Store.Condemn(ctx, key)
}

// TestANamespaceIsCondemnedOnlyWhileItHasNoManifest lets a push into an emptied namespace run at each point
// at which a collector takes the namespace out of the catalog.
func TestANamespaceIsCondemnedOnlyWhileItHasNoManifest(t *testing.T) {
	t.Parallel()
	nothing := func() {}
	for _, tt := range []struct {
		name          string
		push          func(w *world) (before, after, afterwards func())
		wantCondemned bool
		wantListed    bool
	}{
		{"nobody pushes", func(*world) (before, after, afterwards func()) { return nothing, nothing, nothing }, true, false},
		{"a push before", func(w *world) (before, after, afterwards func()) {
			return func() { w.must(w.pushImage(app, "two", tagV1)) }, nothing, nothing
		}, false, true},
		{"a push behind the condemnation", func(w *world) (before, after, afterwards func()) {
			return nothing, func() { w.must(w.pushImage(app, "two", tagV1)) }, nothing
		}, false, true},
		{"a push afterwards", func(w *world) (before, after, afterwards func()) {
			return nothing, nothing, func() { w.must(w.pushImage(app, "two", tagV1)) }
		}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newWorld(t, inMemory(t))
			c.must(c.pushImage(app, "one"), c.reg.DeleteManifest(t.Context(), app, imageOne.Digest, ""))
			before, after, afterwards := tt.push(c)
			watched := &condemning{Store: c.store, before: before, after: after}
			condemned, err := openWorld(t, watched).reg.Maintenance().CondemnNamespace(t.Context(), app)
			if err != nil || condemned != tt.wantCondemned {
				t.Errorf("condemned: %t, %v, want %t", condemned, err, tt.wantCondemned)
			}
			afterwards()
			names, _, err := c.reg.Catalog(t.Context(), registry.Cursor{}, 10, registrytest.ShowIf(func(oci.Name) bool { return true }))
			if listed := len(names) == 1; err != nil || listed != tt.wantListed {
				t.Errorf("the catalog lists %q, %v, want one: %t", names, err, tt.wantListed)
			}
			if tt.wantListed {
				c.check(registrytest.ManifestIs(app, imageTwo.Text), registrytest.TagIs(app, tagV1, imageTwo.Digest))
			}
		})
	}
}

// TestWhatIsCondemnedIsRevivedOrDestroyed: what was revived since it was listed is not destroyed, also if it was
// condemned anew.
func TestWhatIsCondemnedIsRevivedOrDestroyed(t *testing.T) {
	t.Parallel()
	layer := registry.Object{Kind: registry.KindBlob, Digest: ocitest.DigestOf("layer one")}
	for _, tt := range []struct {
		name   string
		before func(m *registry.Maintenance) error // after it was listed
		want   error
	}{
		{"as it was listed", func(*registry.Maintenance) error { return nil }, nil},
		{"revived", func(m *registry.Maintenance) error { return m.Revive(t.Context(), layer) }, registry.ErrGone},
		{"revived and condemned anew", func(m *registry.Maintenance) error {
			return errors.Join(m.Revive(t.Context(), layer), m.Condemn(t.Context(), layer))
		}, registry.ErrGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			m := w.reg.Maintenance()
			w.must(w.pushImage(app, "one"), m.Condemn(w.ctx, layer))
			var listed []registry.Condemned
			for one, err := range m.Condemned(w.ctx) {
				w.must(err)
				listed = append(listed, one)
			}
			if len(listed) != 1 || listed[0].Object != layer || listed[0].Size != int64(len("layer one")) {
				t.Fatalf("condemned are %+v, want %s", listed, layer)
			}
			w.must(tt.before(m))
			if err := m.Destroy(w.ctx, listed[0]); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if there, err := m.Exists(w.ctx, layer); there != (tt.want != nil) || err != nil {
				t.Errorf("then it is there: %t, %v", there, err)
			}
		})
	}
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one", tagV1), w.store.Condemn(t.Context(), "team/app/_manifests/tags/v1"))
	if got := walked(t, w.reg.Maintenance().Condemned(t.Context())); !slices.Equal(got, []string{"damaged"}) {
		t.Errorf("a condemned tag: got %q, want that no collector does that", got)
	}
}
