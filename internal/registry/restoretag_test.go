package registry_test

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// TestARestoredTagIsAPushOfNow: else retention would drop it again in the night.
func TestARestoredTagIsAPushOfNow(t *testing.T) {
	t.Parallel()
	w := newRestoreWorld(t)
	w.must(w.pushImage(app, "zero", tagV1), w.pushImage(app, "one", tagV1))
	pushed, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Tag: tagV1})
	w.must(err)
	w.deleteManifest(app, imageOne.Digest)
	wantHistory(t, w, "removed one somebody", "zero somebody")
	_, err = w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, By: "carol"})
	w.must(err)
	restored, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Tag: tagV1})
	w.must(err)
	if !restored.PushedAt.After(pushed.PushedAt) || restored.By != "carol" {
		t.Errorf("restored at %s by %q, pushed at %s", restored.PushedAt, restored.By, pushed.PushedAt)
	}
	wantHistory(t, w, "now one carol", "one somebody", "zero somebody")

	_, err = w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: ocitest.Image("zero").Digest, By: "dave"})
	w.must(err)
	wantHistory(t, w, "now zero dave", "one carol", "one somebody", "zero somebody")

	w.deleteTag(tagV1)
	w.must(w.pushImage(app, "two", tagV1))
	w.deleteManifest(app, imageOne.Digest)
	w.deleteBlob("layer zero")
	w.must(w.reg.Maintenance().DropTrash(w.ctx, w.entry(registry.KindBlob)))
	wantHistory(t, w, "now two somebody", "removed lost zero dave", "one carol", "one somebody", "lost zero somebody")

	if _, err := w.reg.Maintenance().History(w.ctx, app, tagBig); !errors.Is(err, registry.ErrManifestUnknown) {
		t.Errorf("history of a tag that never was: %v, want %v", err, registry.ErrManifestUnknown)
	}
}

// TestARestoreKeepsTheTimeOfTheLastPush, which ranks the tag, also when it is restored again or to a former value, and
// when the tag is immutable and pushed once more. The next push ends it.
func TestARestoreKeepsTheTimeOfTheLastPush(t *testing.T) {
	t.Parallel()
	for _, immutable := range []bool{false, true} {
		w := newRestoreWorld(t, func(o *registry.Options) { o.Config.ImmutableTags.Enabled = immutable })
		m := w.reg.Maintenance()
		tag := func() registry.StoredTag {
			t.Helper()
			stored, err := m.Tag(w.ctx, app, tagV1)
			w.must(err)
			return stored
		}
		restore := func(to oci.Digest) {
			t.Helper()
			_, err := m.Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: to})
			w.must(err)
		}
		if !immutable {
			w.must(w.pushImage(app, "zero", tagV1))
		}
		w.must(w.pushImage(app, "one", tagV1))
		pushed := tag().PushedAt
		want := func(what string, atPush bool) {
			t.Helper()
			if stored := tag(); stored.LastPush().Equal(pushed) != atPush || stored.RestoredAt.IsZero() == atPush {
				t.Errorf("immutable %t, after %s: its last push was at %s, and it was restored at %s; pushed at %s",
					immutable, what, stored.LastPush(), stored.RestoredAt, pushed)
			}
		}
		for range 2 {
			w.must(m.RemoveTag(w.ctx, app, tag(), "", ""))
			restore(oci.Digest{})
			want("a restore", true)
		}
		if !immutable {
			restore(ocitest.Image("zero").Digest)
			want("a restore of a former value", true)
		}
		w.must(w.pushImage(app, "one", tagV1))
		want("a push", immutable)
	}
}
