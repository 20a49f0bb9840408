package bench

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestBlobsShareTheirHeadAndDifferInDigest(t *testing.T) {
	t.Parallel()
	made, err := newBlobs(1<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]bool{}
	for n := range uint64(3) {
		b, err := made.make(n)
		if err != nil {
			t.Fatal(err)
		}
		whole := append(bytes.Clone(b.head), b.tail...)
		if len(whole) != 1<<10 {
			t.Errorf("blob %d: got %d bytes, want %d", n, len(whole), 1<<10)
		}
		if got := digestOf(whole); got != b.digest {
			t.Errorf("blob %d: got %s, want %s", n, b.digest, got)
		}
		digests[b.digest] = true
	}
	if len(digests) != 3 {
		t.Errorf("got %d different blobs, want 3", len(digests))
	}
}

func TestManifestsAreJSONAndNameTheirContent(t *testing.T) {
	t.Parallel()
	img := newImage(1<<10, 7)
	for name, manifest := range map[string][]byte{
		"image": img.manifest, "referrer": newReferrer(img, blobOf([]byte("{}")), 3), "config": img.config.head,
	} {
		if !json.Valid(manifest) {
			t.Errorf("%s is not JSON: %s", name, manifest)
		}
	}
	for _, digest := range []string{img.config.digest, img.layer.digest} {
		if !bytes.Contains(img.manifest, []byte(digest)) {
			t.Errorf("the manifest does not name %s", digest)
		}
	}
}
