package registry_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// TestAMarkerIsDroppedOnlyAsItWasRead: a client pushes the blob and deletes it again while a collector is about to
// drop the first marker.
func TestAMarkerIsDroppedOnlyAsItWasRead(t *testing.T) {
	t.Parallel()
	c := newWorld(t, inMemory(t))
	d := ocitest.DigestOf("secret")
	deleteAgain := func() {
		t.Helper()
		c.must(c.pushBlob(app, "secret"), c.reg.DeleteBlob(t.Context(), app, d, ""))
	}
	deleteAgain()
	first, err := c.reg.Maintenance().Marker(t.Context(), app, d)
	c.must(err)
	deleteAgain()
	c.must(c.reg.Maintenance().DropMarker(t.Context(), first))
	second, err := c.reg.Maintenance().Marker(t.Context(), app, d)
	if err != nil {
		t.Fatalf("the marker of the second delete is gone: %v", err)
	}
	c.must(c.reg.Maintenance().DropMarker(t.Context(), second))
	for d, err := range c.reg.Maintenance().Markers(t.Context(), app) {
		t.Errorf("%s, %v is left", d, err)
	}
}

// TestAMarkerOfABlobOutlivesADeleteOfTheManifest that has its digest, and so does one that an earlier version wrote.
func TestAMarkerOfABlobOutlivesADeleteOfTheManifest(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]func(*world){
		"of a blob": func(w *world) {
			w.must(w.pusher().PushBlob(w.ctx, app, imageOne.Content), w.reg.DeleteBlob(w.ctx, app, imageOne.Digest, ""))
		},
		"of an earlier version": func(w *world) { w.put("team/app/_removed/"+pathOf(imageOne.Digest), []byte("A4X5NONCE")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t), immutable)
			mark(w)
			before, err := w.reg.Maintenance().Marker(w.ctx, app, imageOne.Digest)
			w.must(err, w.pushImage(app, "one"), w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, ""))
			after, err := w.reg.Maintenance().Marker(w.ctx, app, imageOne.Digest)
			if err != nil || after.Undecided != before.Undecided {
				t.Errorf("got %+v, %v, want the marker %+v", after, err, before)
			}
		})
	}
}

// TestADeleteWhoseMarkerWasDroppedBeginsAnew: a collector drops a marker that is old, and the delete stood still.
func TestADeleteWhoseMarkerWasDroppedBeginsAnew(t *testing.T) {
	t.Parallel()
	stores := newSharedStore(t, inMemory(t))
	client := openWorld(t, stores.open(), immutable)
	client.must(client.pushImage(app, "one"))
	dropped, anew := false, false
	deleter := openWorld(t, &hooked{Store: stores.open(), before: func() {
		marker, err := client.reg.Maintenance().Marker(t.Context(), app, imageOne.Digest)
		switch {
		case err != nil:
		case dropped:
			anew = true
		default:
			dropped = true
			client.must(client.reg.Maintenance().DropMarker(t.Context(), marker))
		}
	}}, immutable)
	deleter.deleteManifest(app, imageOne.Digest)
	if !anew {
		t.Error("the manifest was removed without a marker")
	}
	client.check(registrytest.NoManifest(app, imageOne.Digest))
	if got := client.removed(app); len(got) != 1 {
		t.Errorf("the trash holds %q, want the manifest once", got)
	}
}
