package registry_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestTheHistoryOfATagTellsWhatBecameOfEachValue(t *testing.T) {
	t.Parallel()
	both := func(w *world) { w.must(w.pushImage(app, "zero", tagV1), w.pushImage(app, "one", tagV1)) }
	for _, tt := range []struct {
		name   string
		before func(w *world)
		want   []string
	}{
		{"pushed over", both, []string{"now one somebody", "zero somebody"}},
		{"removed with its manifest", func(w *world) { both(w); w.deleteManifest(app, imageOne.Digest) }, []string{"removed one somebody", "zero somebody"}},
		{"removed and pushed again", func(w *world) {
			both(w)
			w.deleteTag(tagV1)
			w.must(w.pushImage(app, "two", tagV1))
		}, []string{"now two somebody", "removed one somebody", "zero somebody"}},
		{"of which a former manifest is gone for good", func(w *world) {
			both(w)
			w.deleteManifest(app, ocitest.Image("zero").Digest)
			w.must(w.reg.Maintenance().DropTrash(w.ctx, w.entry(registry.KindManifest)))
		}, []string{"now one somebody", "lost zero somebody"}},
		{"of which a layer is gone for good", func(w *world) {
			both(w)
			w.deleteBlob("layer one")
			w.must(w.reg.Maintenance().DropTrash(w.ctx, w.entry(registry.KindBlob)))
		}, []string{"now lost one somebody", "zero somebody"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestoreWorld(t)
			tt.before(w)
			wantHistory(t, w, tt.want...)
			if _, err := w.reg.Maintenance().History(w.ctx, app, tagBig); !errors.Is(err, registry.ErrManifestUnknown) {
				t.Errorf("of a tag that never was: got %v, want %v", err, registry.ErrManifestUnknown)
			}
		})
	}
}

func wantHistory(t *testing.T, w *world, want ...string) {
	t.Helper()
	history, err := w.reg.Maintenance().History(w.ctx, app, tagV1)
	w.must(err)
	names := map[oci.Digest]string{ocitest.Image("zero").Digest: "zero", imageOne.Digest: "one", imageTwo.Digest: "two"}
	var got []string
	for _, value := range history {
		line := names[value.Digest] + " " + value.By
		if !value.Restorable {
			line = "lost " + line
		}
		if value.Removed != nil {
			line = "removed " + line
		}
		if value.Current {
			line = "now " + line
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Errorf("history\n got %q\nwant %q", got, want)
	}
}
