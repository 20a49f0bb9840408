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
