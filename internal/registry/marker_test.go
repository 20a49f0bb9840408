package registry_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
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
