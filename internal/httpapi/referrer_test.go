package httpapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

// referrer is one entry of the answered index.
type referrer struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
}

func (f *fixture) referrers(t *testing.T, path string) []referrer {
	t.Helper()
	a := f.get(path)
	a.wants(t, want{status: 200, header: map[string]string{"Content-Type": oci.MediaTypeImageIndex}})
	var index struct {
		SchemaVersion int        `json:"schemaVersion"`
		MediaType     string     `json:"mediaType"`
		Manifests     []referrer `json:"manifests"`
	}
	must(t, json.Unmarshal([]byte(a.body), &index))
	if index.SchemaVersion != 2 || index.MediaType != oci.MediaTypeImageIndex || index.Manifests == nil {
		t.Errorf("body %.200s is no image index", a.body)
	}
	return index.Manifests
}

func digests(of []referrer) []string {
	var all []string
	for _, r := range of {
		all = append(all, r.Digest)
	}
	return all
}

func TestReferrersAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	subject, d := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	path := "/v2/app/referrers/" + d.String()
	if got := f.referrers(t, path); len(got) != 0 {
		t.Errorf("a manifest that nothing refers to has %d referrers", len(got))
	}
	sbom := referrerOf(subject, "application/vnd.example.sbom", "one")
	signature := referrerOf(subject, "application/vnd.example.signature", "two")
	for _, manifest := range []string{sbom, signature, signature} {
		f.putManifest("app", digestOf(manifest).String(), oci.MediaTypeImageManifest, manifest).
			wants(t, want{status: 201, header: map[string]string{"Oci-Subject": d.String()}})
	}
	all := f.referrers(t, path)
	expected := []string{digestOf(sbom).String(), digestOf(signature).String()}
	slices.Sort(expected)
	if !slices.Equal(digests(all), expected) {
		t.Errorf("referrers\n got %q\nwant %q", digests(all), expected)
	}
	for _, r := range all {
		if r.Digest == digestOf(sbom).String() && (r.ArtifactType != "application/vnd.example.sbom" || r.Size != len(sbom) ||
			r.MediaType != oci.MediaTypeImageManifest || r.Annotations["org.example.note"] != "one") {
			t.Errorf("descriptor %+v is not that of the pushed manifest", r)
		}
	}
	f.get(path).wants(t, want{status: 200, header: map[string]string{"Oci-Filters-Applied": none, "Link": none}})
	f.get(path+"?artifactType=application%2Fvnd.example.sbom").wants(t, want{status: 200, header: map[string]string{"Oci-Filters-Applied": "artifactType"}})
	if got := f.referrers(t, path+"?artifactType=application/vnd.example.sbom"); !slices.Equal(digests(got), []string{digestOf(sbom).String()}) {
		t.Errorf("filtered referrers are %q", digests(got))
	}
	if got := f.referrers(t, path+"?artifactType=none"); len(got) != 0 {
		t.Errorf("referrers of a type that none has are %q", digests(got))
	}
	f.holds(t)
}

func TestReferrersOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, path := range []string{"/v2/app/referrers/" + unknown, "/v2/app/referrers/" + digest512Of("x").String()} {
		if got := f.referrers(t, path); len(got) != 0 {
			t.Errorf("%s lists %q", path, digests(got))
		}
	}
	f.get("/v2/app/referrers/v1").wants(t, want{status: 400, code: oci.CodeDigestInvalid})
	f.get("/v2/App/referrers/"+unknown).wants(t, want{status: 400, code: oci.CodeNameInvalid})
}

func TestAReferrerMayComeBeforeItsSubject(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushBlob("app", "{}")
	subject := imageOf("later")
	manifest := referrerOf(subject, "application/vnd.example.sbom", "")
	f.pushManifest("app", "sbom", oci.MediaTypeImageManifest, manifest)
	path := "/v2/app/referrers/" + digestOf(subject).String()
	if got := f.referrers(t, path); len(got) != 1 {
		t.Errorf("%d referrers of a subject that is not there yet, want 1", len(got))
	}
	f.delete("/v2/app/manifests/"+digestOf(manifest).String()).wants(t, want{status: 202})
	if got := f.referrers(t, path); len(got) != 0 {
		t.Errorf("a deleted referrer is listed: %q", digests(got))
	}
}

func TestArtifactTypesOfReferrers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	subject, d := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	refers := `,"subject":` + descriptorOf(oci.MediaTypeImageManifest, subject) + "}"
	for name, tt := range map[string]struct{ mediaType, manifest, artifactType string }{
		"an image has that of its config": {
			oci.MediaTypeImageManifest,
			`{"schemaVersion":2,"config":` + descriptorOf("application/vnd.example.config", "{}") + `,"layers":[]` + refers,
			"application/vnd.example.config",
		},
		"an index has its own": {
			oci.MediaTypeImageIndex, `{"schemaVersion":2,"artifactType":"application/vnd.example.bundle","manifests":[]` + refers,
			"application/vnd.example.bundle",
		},
		"an index may have none": {oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[]` + refers, ""},
	} {
		f.pushManifest("app", digestOf(tt.manifest).String(), tt.mediaType, tt.manifest)
		all := f.referrers(t, "/v2/app/referrers/"+d.String())
		i := slices.Index(digests(all), digestOf(tt.manifest).String())
		if i < 0 || all[i].ArtifactType != tt.artifactType || all[i].MediaType != tt.mediaType {
			t.Errorf("%s: %+v has no entry with the type %q", name, all, tt.artifactType)
		}
	}
}

// TestFallbackTagsOfOlderClients: a client that met a registry without the referrers API keeps an
// index under a tag, and mirrors copy it as it is.
func TestFallbackTagsOfOlderClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	subject, d := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	old := referrerOf(subject, "application/vnd.example.old", "")
	both := referrerOf(subject, "application/vnd.example.both", "")
	// Pushed without a subject, the old one is known by the tag alone.
	oldWithout := old[:strings.Index(old, `,"subject"`)] + "}"
	f.pushManifest("app", digestOf(oldWithout).String(), oci.MediaTypeImageManifest, oldWithout)
	f.pushManifest("app", digestOf(both).String(), oci.MediaTypeImageManifest, both)
	entry := func(manifest, artifactType string) string {
		return strings.TrimSuffix(descriptorOf(oci.MediaTypeImageManifest, manifest), "}") + `,"artifactType":"` + artifactType + `"}`
	}
	index := indexOf(entry(oldWithout, "application/vnd.example.old"), entry(both, "application/vnd.example.both"))
	f.pushManifest("app", strings.Replace(d.String(), ":", "-", 1), oci.MediaTypeImageIndex, index)

	path := "/v2/app/referrers/" + d.String()
	expected := []string{digestOf(oldWithout).String(), digestOf(both).String()}
	slices.Sort(expected)
	if got := digests(f.referrers(t, path)); !slices.Equal(got, expected) {
		t.Errorf("referrers\n got %q\nwant each once: %q", got, expected)
	}
	if got := digests(f.referrers(t, path+"?artifactType=application/vnd.example.old")); !slices.Equal(got, []string{digestOf(oldWithout).String()}) {
		t.Errorf("filtered referrers are %q", got)
	}
	f.delete("/v2/app/manifests/"+digestOf(oldWithout).String()).wants(t, want{status: 202})
	if got := digests(f.referrers(t, path)); !slices.Equal(got, []string{digestOf(both).String()}) {
		t.Errorf("referrers with one that is gone are %q", got)
	}
}

func TestATagThatOnlyLooksLikeAFallback(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	_, d := f.pushImage("app", "a", "v1")
	f.pushManifest("app", strings.Replace(d.String(), ":", "-", 1), "application/vnd.example.signature+json", `{"manifests":"none"}`)
	if got := f.referrers(t, "/v2/app/referrers/"+d.String()); len(got) != 0 {
		t.Errorf("referrers are %q", digests(got))
	}
}
