package registry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// TestABlobIsOfTheNamespacesThatHoldIt asks the namespace app for one blob in every way that there is.
func TestABlobIsOfTheNamespacesThatHoldIt(t *testing.T) {
	t.Parallel()
	d, third := ocitest.DigestOf("shared"), ocitest.Name("third")
	bytes := registry.Object{Kind: registry.KindBlob, Digest: d}.Key()
	link := registry.Object{Kind: registry.KindLink, Namespace: app, Digest: d}.Key()
	push := func(w *world) { w.must(w.pushBlob(app, "shared")) }
	pushOther := func(w *world) { w.must(w.pushBlob(other, "shared")) }
	for _, tt := range []struct {
		name   string
		before func(w *world)
		holds  bool
	}{
		{"pushed", push, true},
		{"mounted", func(w *world) { pushOther(w); w.must(w.reg.MountBlob(w.ctx, app, other, d)) }, true},
		{"condemned", func(w *world) { push(w); w.condemnContent() }, true},
		{"deleted and pushed again", func(w *world) { push(w); w.deleteBlob("shared"); push(w) }, true},
		{"nowhere", func(*world) {}, false},
		{"of another namespace", pushOther, false},
		{"of another namespace, and a manifest names it", func(w *world) {
			w.must(w.pushImage(other, "one"), w.pushImage(app, "one"), w.pushBlob(other, "shared"))
		}, false},
		{"deleted", func(w *world) { push(w); pushOther(w); w.deleteBlob("shared") }, false},
		{"without bytes", func(w *world) { push(w); w.must(w.store.Delete(w.ctx, bytes, storage.DeleteOptions{})) }, false},
		{"only proposed by a repair", func(w *world) { pushOther(w); w.put(link, []byte("a nonce")) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for way, ask := range map[string]func(w *world) error{
				"open": func(w *world) error { return w.pullBlob(app, d) },
				"locate": func(w *world) error {
					return second(w.reg.LocateBlob(w.ctx, app, d, time.Time{}))
				},
				"stat":  func(w *world) error { return second(w.reg.StatBlob(w.ctx, app, d)) },
				"mount": func(w *world) error { return w.reg.MountBlob(w.ctx, third, app, d) },
			} {
				w := newWorld(t, inMemory(t))
				tt.before(w)
				if err := ask(w); tt.holds != (err == nil) || err != nil && !errors.Is(err, registry.ErrBlobUnknown) {
					t.Errorf("%s: got %v, want that the namespace holds it: %t", way, err, tt.holds)
				}
			}
		})
	}
}

// TestADeletedBlobLeavesAMarkerAndATrashEntry: for the repair, which must not link it again, and for a restore.
func TestADeletedBlobLeavesAMarkerAndATrashEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	d := ocitest.DigestOf("shared")
	w.must(w.pushBlob(app, "shared"), w.pushBlob(other, "shared"))
	w.deleteBlob("shared")
	if err := w.reg.DeleteBlob(w.ctx, app, d, "bob"); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("a second delete: got %v, want %v", err, registry.ErrBlobUnknown)
	}
	w.must(second(w.reg.Maintenance().Marker(w.ctx, app, d)))
	if entry := w.entry(registry.KindBlob); entry.Digest != d || entry.By != "bob" {
		t.Errorf("got trash entry %+v, want that of %s by bob", entry, d)
	}
	w.must(w.pullBlob(other, d))
}
