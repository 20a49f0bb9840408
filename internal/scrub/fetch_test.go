package scrub_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/scrub"
)

func TestWhatAnUpstreamGivesIsTakenOnlyIfItHashes(t *testing.T) {
	t.Parallel()
	layer := imageOne.Layers[0]
	honest := map[oci.Digest]string{layer.Digest: layer.Text, imageOne.Digest: imageOne.Text}
	for _, c := range []struct {
		name   string
		gives  func(d oci.Digest) string
		healed bool
	}{
		{"it tells the truth", func(d oci.Digest) string { return honest[d] }, true},
		{"it lies", func(oci.Digest) string { return "something else" }, false},
		{"it cuts short", func(d oci.Digest) string { return honest[d][:5] }, false},
		{"it gives more", func(d oci.Digest) string { return honest[d] + " " }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.pushImage(app, "one", v1)
			w.flip(blobKey(layer.Digest))
			w.flip(revisionKey(app, imageOne.Digest))
			report := w.verify(scrub.Options{Repair: true, Fetch: func(_ context.Context, ns oci.Name, d oci.Digest) (io.ReadCloser, error) {
				if ns != app {
					return nil, fmt.Errorf("asked for %s of %s", d, ns)
				}
				return io.NopCloser(strings.NewReader(c.gives(d))), nil
			}})
			dangling := w.check()
			if healed := len(dangling) == 0 && report.Remaining() == 0; healed != c.healed {
				t.Errorf("healed: got %v, want %v; %v", healed, c.healed, codes(report))
			}
			if c.healed {
				w.check(registrytest.TagIs(app, v1, imageOne.Digest), registrytest.BlobIs(app, layer.Text))
			}
		})
	}
}
