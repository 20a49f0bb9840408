package gc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// TestADeleteThatCannotBeFinishedYetIsFinishedLater: while something of the namespace is moved aside, or the manifest is
// being pushed, nobody knows whether the tag is what a killed delete left. When that is over the trash still tells,
// though gc.trash was over before.
func TestADeleteThatCannotBeFinishedYetIsFinishedLater(t *testing.T) {
	t.Parallel()
	type end = func()
	for name, hinder := range map[string]func(p *pushed, key string, manifest []byte) end{
		"something is moved aside": func(p *pushed, _ string, _ []byte) end {
			other, _ := p.image("other", "other")
			p.must(p.reg.Maintenance().MoveRecordAside(p.t.Context(), registry.Object{Kind: registry.KindManifest, Namespace: p.ns, Digest: other}))
			return func() { p.image("other", "other") }
		},
		"a push is under way that fails": func(p *pushed, key string, manifest []byte) end {
			draft, err := p.store.Prepare(p.t.Context(), key, manifest)
			p.must(err)
			return func() { p.must(draft.Discard(p.t.Context())) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPushed(t)
			manifest, _ := p.image("one", "v1")
			key, revision := p.object(func(key string) bool {
				return strings.Contains(key, "/_manifests/revisions/") && strings.Contains(key, manifest.Hex())
			})
			tag, stands := p.object(func(key string) bool { return strings.HasSuffix(key, "/tags/v1") })
			p.must(p.reg.DeleteManifest(t.Context(), p.ns, manifest, ""))
			_, err := p.store.Put(t.Context(), tag, stands, storage.PutOptions{}) // as when the delete is killed before
			p.must(err)

			end := hinder(p, key, revision)
			report, err := p.collect(2)
			p.must(err)
			if n := report.Plan.Restore; n.Objects != 0 || n.Bytes != 0 {
				t.Errorf("the last run drops %+v of the trash, want nothing", n)
			}
			if _, err := p.reg.Maintenance().Tag(t.Context(), p.ns, ocitest.Tag("v1")); err != nil {
				t.Errorf("the tag, before anybody can know: %v", err)
			}
			end()
			_, err = p.collect(2)
			p.must(err)
			if _, err := p.reg.Maintenance().Tag(t.Context(), p.ns, ocitest.Tag("v1")); !errors.Is(err, registry.ErrGone) {
				t.Errorf("the tag afterwards: %v, want it removed", err)
			}
			for entry := range each(t, p.reg.Maintenance().Trash(t.Context(), oci.Name{})) {
				if entry.Kind == registry.KindManifest {
					t.Errorf("the trash still has %s", entry.Digest)
				}
			}
		})
	}
}

// object is the one object of the store whose key is wanted.
func (p *pushed) object(wanted func(key string) bool) (key string, data []byte) {
	p.t.Helper()
	for entry := range each(p.t, p.store.List(p.t.Context(), "", storage.ListOptions{Deep: true})) {
		if wanted(entry.Name) {
			key = entry.Name
		}
	}
	value, err := p.store.Get(p.t.Context(), key)
	p.must(err)
	return key, value.Data
}
