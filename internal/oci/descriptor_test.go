package oci_test

import (
	"encoding/json"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestDescriptorIsWrittenInTheOrderOfTheSpecification(t *testing.T) {
	t.Parallel()
	d := oci.Descriptor{
		MediaType: "a/b", Digest: oci.DigestOf(oci.SHA256, nil), Size: 0, URLs: json.RawMessage(`["u"]`),
		Annotations: oci.Annotations(`{"k":"v"}`), ArtifactType: "c/d",
		Platform: &oci.Platform{Architecture: "arm64", OS: "linux", OSVersion: "1", OSFeatures: json.RawMessage(`["f"]`), Variant: "v8"},
	}
	got, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"mediaType":"a/b","digest":"` + emptySHA256 + `","size":0,"urls":["u"],"annotations":{"k":"v"},` +
		`"platform":{"architecture":"arm64","os":"linux","os.version":"1","os.features":["f"],"variant":"v8"},"artifactType":"c/d"}`
	if string(got) != want {
		t.Errorf("descriptor\n got %s\nwant %s", got, want)
	}
}
