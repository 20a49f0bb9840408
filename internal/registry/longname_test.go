package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestTheLongestNamesWorkEverywhere pushes to them, lists, deletes, collects and restores.
func TestTheLongestNamesWorkEverywhere(t *testing.T) {
	t.Parallel()
	prove := func(at func(*testing.T) opener) func(t *testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, at(t))
			names := []string{
				"team", strings.Repeat("a/", 127) + "a", strings.Repeat("ab/", 84) + "abc", "team/" + strings.Repeat("x", 250),
				strings.Repeat("a/", 126) + "abc",
			}
			slices.Sort(names)
			for _, text := range names {
				w.must(w.pushImage(ocitest.Name(text), "one", tagV1))
			}
			listed, _ := w.catalog(2, registrytest.ShowIf(func(oci.Name) bool { return true }))
			if !slices.Equal(listed, names) {
				t.Errorf("the catalog lists %q, want %q", listed, names)
			}
			facts := w.must()
			for _, text := range names {
				w.must(w.reg.DeleteManifest(w.ctx, ocitest.Name(text), imageOne.Digest, "bob"))
			}
			var removed []string
			for entry, err := range w.reg.Maintenance().Trash(w.ctx, ocitest.Name("team")) {
				w.must(err)
				removed = append(removed, string(entry.Kind)+" "+entry.Namespace.String())
			}
			if len(removed) != 4 {
				t.Errorf("below team %q were removed, want two manifests with a tag each", removed)
			}
			for _, text := range names {
				w.must(second(w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: ocitest.Name(text), By: "bob"})))
			}
			newCollector(t, w.store).run()
			if dangling := registrytest.Check(t, w.subject(), facts...); len(dangling) > 0 {
				t.Errorf("what is gone is named by %q", dangling)
			}
		}
	}
	t.Run("in memory", prove(inMemory))
	t.Run("in a folder", prove(inFolder))
	s3test.Each(t, func(t *testing.T, server *s3test.Server) {
		t.Run("in a bucket", prove(func(t *testing.T) opener {
			t.Helper()
			return inBucket(t, server)
		}))
	})
}
