package scrub_test

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/scrub"
)

// TestAnIndexMayNameBlobs: what is missing is what the namespace holds neither as a manifest nor as a blob.
func TestAnIndexMayNameBlobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.pushBlob(app, "layer cached")
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":12}]}`,
		oci.MediaTypeImageIndex, "application/vnd.oci.image.layer.v1.tar+gzip", d)
	index := ocitest.Content{MediaType: oci.MediaTypeImageIndex, Text: text, Digest: ocitest.DigestOf(text)}
	w.must(w.pusher().PushManifest(t.Context(), app, index, v1))
	w.wantCodes(w.verify(scrub.Options{}))
	w.remove(blobKey(d))
	w.wantCodes(w.verify(scrub.Options{}), scrub.CodeDanglingLink, scrub.CodeNoBytes)
	w.must(w.reg.DeleteBlob(t.Context(), app, d, ""))
	w.wantCodes(w.verify(scrub.Options{}), scrub.CodeNoChild)
}
