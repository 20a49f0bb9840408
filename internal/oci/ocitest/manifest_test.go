package ocitest_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

func TestEveryManifestIsOneAndNoTwoAreAlike(t *testing.T) {
	t.Parallel()
	one := ocitest.Image("one")
	seen := map[oci.Digest]string{}
	for name, m := range map[string]ocitest.Manifest{
		"an image":                one,
		"another image":           ocitest.Image("two"),
		"an image with a note":    one.Note("text"),
		"an image with a subject": one.Refer(ocitest.Image("two")),
		"an image of no layer":    ocitest.ImageOf(ocitest.Config("one")),
		"an index":                ocitest.Index(one),
		"an index of nothing":     ocitest.Index(),
		"a referrer":              ocitest.Referrer(one, "application/vnd.example"),
		"an SBOM":                 ocitest.SBOM(one),
	} {
		if _, err := oci.ParseManifest(m.MediaType, []byte(m.Text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if twin, twice := seen[m.Digest]; twice {
			t.Errorf("%s is the same as %s", name, twin)
		}
		seen[m.Digest] = name
	}
}
