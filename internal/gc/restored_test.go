package gc_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// TestWhatWasRestoredStaysForGCTrash though no rule keeps it, and no longer. A push over it ends that.
func TestWhatWasRestoredStaysForGCTrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t)
		p.trash = time.Hour
		p.decide = func(registry.Image) bool { return false }
		p.image("one", "v1")
		untagged, _ := p.image("two")
		m := p.reg.Maintenance()
		p.must(p.reg.DeleteTag(t.Context(), p.ns, ocitest.Tag("v1"), ""))
		p.must(p.reg.DeleteManifest(t.Context(), p.ns, untagged, ""))
		restore := func() {
			t.Helper()
			for _, what := range []registry.RestoreOptions{{Tag: ocitest.Tag("v1")}, {Digest: untagged}} {
				what.Namespace = p.ns
				_, err := m.Restore(t.Context(), what)
				p.must(err)
			}
		}
		want := func(there bool) {
			t.Helper()
			if _, err := p.collect(3); err != nil {
				t.Fatal(err)
			}
			_, err := p.reg.GetManifest(t.Context(), p.ns, oci.Reference{Digest: untagged})
			if got := p.hasTag("v1"); got != there || (err == nil) != there {
				t.Errorf("the tag is there: %t, the manifest: %v, want %t", got, err, there)
			}
		}
		restore()
		time.Sleep(59 * time.Minute)
		want(true)
		prospect, err := p.collector().Prospect(t.Context(), p.ns)
		if err != nil || !prospect.Tags[ocitest.Tag("v1")] || !prospect.Manifests[untagged] || time.Until(prospect.Until) != time.Hour {
			t.Errorf("got %+v, %v, want that both go in an hour", prospect, err)
		}
		time.Sleep(2 * time.Minute)
		p.trash = 2 * time.Minute // the manifest is condemned first, and destroyed when that is over
		if _, err := p.collect(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		want(false)
	})
}

// TestAPushThatChangesNothingKeepsTheProtection: an immutable tag that is pushed again with the same manifest stays as
// it is, and so does what its restore has given to it and to its manifest.
func TestAPushThatChangesNothingKeepsTheProtection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t)
		p.config.ImmutableTags.Enabled = true
		p.open()
		p.trash = time.Hour
		p.decide = func(registry.Image) bool { return false }
		manifest, _ := p.image("one", "v1")
		m := p.reg.Maintenance()
		stored, err := m.Tag(t.Context(), p.ns, ocitest.Tag("v1"))
		p.must(err)
		p.must(m.RemoveTag(t.Context(), p.ns, stored, "", ""))
		for _, what := range []registry.RestoreOptions{{Tag: ocitest.Tag("v1")}, {Digest: manifest}} {
			what.Namespace = p.ns
			_, err := m.Restore(t.Context(), what)
			p.must(err)
		}
		read := func() (tag, revision time.Time) {
			t.Helper()
			stored, err := m.Tag(t.Context(), p.ns, ocitest.Tag("v1"))
			p.must(err)
			content, err := m.Manifest(t.Context(), p.ns, manifest)
			p.must(err)
			return stored.RestoredAt, content.RestoredAt
		}
		tag, revision := read()
		time.Sleep(time.Minute)
		p.image("one", "v1")
		if tagNow, revisionNow := read(); !tagNow.Equal(tag) || !revisionNow.Equal(revision) {
			t.Errorf("restored at %s and %s, after a push that changes nothing at %s and %s", tag, revision, tagNow, revisionNow)
		}
		if _, err := p.collect(3); err != nil {
			t.Fatal(err)
		}
		if !p.hasTag("v1") {
			t.Error("the tag is gone before gc.trash is over")
		}
	})
}
