package registry_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
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

// TestAMountKeepsWhatItPromises: a collector has the blob on its list, and destroys it at once where it still is
// condemned. Before the mount writes its link it has revived the bytes, and behind that it looks once more.
func TestAMountKeepsWhatItPromises(t *testing.T) {
	t.Parallel()
	d := ocitest.DigestOf("shared")
	blob := registry.Object{Kind: registry.KindBlob, Digest: d}.Key()
	destroy := func(w *world) error {
		err := w.store.Destroy(w.ctx, blob, storage.DeleteOptions{})
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		return err
	}
	for name, tt := range map[string]struct {
		meanwhile func(w *world) error // before the link is written
		want      error
	}{
		"the collector destroys what it has listed": {destroy, nil},
		"another run condemns and destroys it": {func(w *world) error {
			return errors.Join(w.store.Condemn(w.ctx, blob), destroy(w))
		}, registry.ErrBlobUnknown},
		"another run condemns it": {func(w *world) error { return w.store.Condemn(w.ctx, blob) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushBlob(other, "shared"))
			w.condemnContent()
			mounting := openWorld(t, &putting{Store: w.store, before: "team/app/_layers/", do: sync.OnceFunc(func() { w.must(tt.meanwhile(w)) })})
			if err := mounting.reg.MountBlob(w.ctx, app, other, d); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			w.check(registrytest.BlobIs(app, "shared"))
			if info, err := w.reg.Maintenance().Stat(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: d}); err != nil || info.Condemned {
				t.Errorf("the bytes are condemned: %t, %v", info.Condemned, err)
			}
		})
	}
}

// TestAnUploadLooksOnceMoreAtItsEnd: what a collector takes between the commit and the answer is not promised.
func TestAnUploadLooksOnceMoreAtItsEnd(t *testing.T) {
	t.Parallel()
	looksOnceMore(t, func(t *testing.T) *world { t.Helper(); return newWorld(t, inMemory(t)) })
}

// looksOnceMore pushes a blob while a collector condemns or destroys its bytes, just before its link is written.
func looksOnceMore(t *testing.T, in func(t *testing.T) *world) {
	t.Helper()
	d := ocitest.DigestOf("shared")
	blob := registry.Object{Kind: registry.KindBlob, Digest: d}.Key()
	for name, tt := range map[string]struct {
		meanwhile func(w *world) error
		want      error
	}{
		"condemned": {func(w *world) error { return w.store.Condemn(w.ctx, blob) }, nil},
		"destroyed": {func(w *world) error {
			return errors.Join(w.store.Condemn(w.ctx, blob), w.store.Destroy(w.ctx, blob, storage.DeleteOptions{}))
		}, registry.ErrUploadUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := in(t)
			pushing := openWorld(t, &putting{Store: w.store, before: "team/app/_layers/", do: sync.OnceFunc(func() { w.must(tt.meanwhile(w)) })})
			if err := pushing.pushBlob(app, "shared"); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			info, err := w.reg.Maintenance().Stat(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: d})
			if tt.want == nil && (err != nil || info.Condemned) {
				t.Errorf("the bytes are condemned: %t, %v", info.Condemned, err)
			}
		})
	}
}
