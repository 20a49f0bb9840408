package registry_test

import (
	"io"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestALinkFollowsTheBytes moves the bytes of a blob away, as damage does, and brings them back by one
// namespace: the other one's link names the old data key until somebody needs it.
func TestALinkFollowsTheBytes(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	d := ocitest.DigestOf("shared")
	for _, tt := range []struct {
		name    string
		correct func(w *world) error // the link
	}{
		{"by a HEAD", func(w *world) error { _, err := w.reg.StatBlob(w.ctx, app, d); return err }},
		{"by a mount", func(w *world) error { return w.reg.MountBlob(w.ctx, app, other, d) }},
		{"by a push", func(w *world) error { return w.pushBlob(app, "shared") }},
		{"by a manifest", func(w *world) error {
			return w.pushManifest(app, ocitest.ImageOf(ocitest.Config("shared")).Content)
		}},
		{"by a repair", func(w *world) error { return w.reg.Maintenance().CorrectLink(w.ctx, app, d) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inBucket(t, server))
			w.must(w.pushBlob(app, "shared"))
			moved, err := w.reg.Maintenance().MoveAside(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: d}, func(io.Reader) (bool, error) { return false, nil })
			w.must(err)
			w.must(w.pushBlob(other, "shared"))
			if misplaced, err := w.reg.Maintenance().LinkIsMisplaced(w.ctx, app, d); !moved || !misplaced || err != nil {
				t.Fatalf("moved %t, misplaced %t, %v, want both", moved, misplaced, err)
			}
			w.must(registrytest.BlobIs(app, "shared").Holds(w.ctx, w.reg)) // by the blob's own object
			w.must(tt.correct(w))
			if misplaced, err := w.reg.Maintenance().LinkIsMisplaced(w.ctx, app, d); misplaced || err != nil {
				t.Errorf("misplaced %t, %v, want a link to the new data key", misplaced, err)
			}
			if dangling := registrytest.Check(t, w.subject(), registrytest.BlobIs(app, "shared")); len(dangling) > 0 {
				t.Errorf("what is gone is named by %q", strings.Join(dangling, ", "))
			}
		})
	}
}
