package registry_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

// TestAMarkerIsDroppedOnlyAsItWasRead: a client pushes the blob and takes it away once more while a collector
// means to drop the word of the first time.
func TestAMarkerIsDroppedOnlyAsItWasRead(t *testing.T) {
	t.Parallel()
	c := newWorld(t, inMemory(t))
	d := oci.DigestOf(oci.SHA256, []byte("secret"))
	takeAway := func() {
		t.Helper()
		c.must(c.pushBlob(app, "secret"), c.reg.DeleteBlob(t.Context(), app, d, ""))
	}
	takeAway()
	first, err := c.reg.Maintenance().Marker(t.Context(), app, d)
	c.must(err)
	takeAway()
	c.must(c.reg.Maintenance().DropMarker(t.Context(), first))
	second, err := c.reg.Maintenance().Marker(t.Context(), app, d)
	if err != nil {
		t.Fatalf("the word of the second delete is gone: %v", err)
	}
	c.must(c.reg.Maintenance().DropMarker(t.Context(), second))
	for d, err := range c.reg.Maintenance().Markers(t.Context(), app) {
		t.Errorf("%s, %v is left", d, err)
	}
}
