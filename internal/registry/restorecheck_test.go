package registry_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// TestADryRunTellsWhatARestoreLacks: down to the layers of the children of an index, each once.
func TestADryRunTellsWhatARestoreLacks(t *testing.T) {
	t.Parallel()
	index, base := ocitest.Index(imageOne, imageTwo), ocitest.DigestOf("layer one")
	lose := func(w *world, objects ...registry.Object) {
		for _, o := range objects {
			w.must(w.store.Delete(w.ctx, o.Key(), storage.DeleteOptions{}))
		}
	}
	layer := registry.Object{Kind: registry.KindBlob, Digest: base}
	for _, tt := range []struct {
		name   string
		set    func(*registry.Options)
		before func(w *world)
		want   []oci.Digest
	}{
		{"nothing", asItIs, func(*world) {}, nil},
		{"a condemned layer", asItIs, func(w *world) { w.must(w.reg.Maintenance().Condemn(w.ctx, layer)) }, nil},
		{"a layer that is destroyed", asItIs, func(w *world) { lose(w, layer) }, []oci.Digest{base}},
		{"a layer that is deleted", asItIs, func(w *world) { w.deleteBlob("layer one") }, nil},
		{"a child that is deleted", asItIs, func(w *world) { w.deleteManifest(app, imageOne.Digest) }, nil},
		{"a child that is destroyed", asItIs, func(w *world) { lose(w, revisionOne) }, []oci.Digest{imageOne.Digest}},
		{"a layer, where missing references are allowed", func(o *registry.Options) { o.Config.MissingReferences = "allow" }, func(w *world) { lose(w, layer) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestoreWorld(t, tt.set)
			w.must(w.pusher().Push(w.ctx, app, index, tagV1))
			w.deleteManifest(app, index.Digest)
			tt.before(w)
			before := w.removed(app)
			_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, DryRun: true})
			var missing *registry.MissingError
			if errors.As(err, &missing) != (tt.want != nil) || tt.want != nil && !slices.Equal(missing.Digests, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want that %v is missing", err, tt.want)
			}
			if got := w.removed(app); !slices.Equal(got, before) {
				t.Errorf("the trash holds %q, want %q as before", got, before)
			}
		})
	}
}
