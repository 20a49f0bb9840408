package gc_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/storage"
)

func TestAManifestThatDoesNotHashToItsDigestStopsTheRun(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, layer := p.image("one", "v1")
	key := "team/app/_manifests/revisions/sha256/" + manifest.Hex()
	record, err := p.store.Get(t.Context(), key)
	p.must(err)
	wrong := oci.DigestOf(oci.SHA256, []byte("another layer"))
	_, err = p.store.Put(t.Context(), key, bytes.ReplaceAll(record.Data, []byte(layer.Hex()), []byte(wrong.Hex())), storage.PutOptions{})
	p.must(err)

	_, err = p.collect(3)
	var refused *gc.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Why, manifest.Hex()) {
		t.Errorf("got %v, want a refusal that names the manifest", err)
	}
	if !p.hasBlob(layer) {
		t.Error("the layer is gone that the manifest names")
	}
}

func TestAManifestOfAnUnknownTypeKeepsWhatItMentions(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	layer := p.blob("what an artifact is made of")
	child, deep := p.image("child")
	subject, gone := p.image("subject")
	p.manifest(ocitest.New("application/vnd.oci.artifact.manifest.v1+json", fmt.Sprintf(
		`{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","subject":{"mediaType":%q,"digest":%q,"size":2},"blobs":[{"digest":%q}],"parts":{"of":%q}}`,
		oci.MediaTypeImageManifest, subject, layer, child)), "artifact")
	report, err := p.collect(3)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasBlob(layer) || !p.hasBlob(deep) {
		t.Error("what the artifact names is gone")
	}
	if p.hasBlob(gone) {
		t.Error("its subject stays, which nothing keeps")
	}
}
