package httpapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
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
	return f.get(path).referrers(t)
}

func (a answer) referrers(t *testing.T) []referrer {
	t.Helper()
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
	subject := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	path := "/v2/app/referrers/" + subject.Digest.String()
	if got := f.referrers(t, path); len(got) != 0 {
		t.Errorf("a manifest that nothing refers to has %d referrers", len(got))
	}
	sbom := ocitest.Referrer(subject, "application/vnd.example.sbom").Note("one")
	signature := ocitest.Referrer(subject, "application/vnd.example.signature").Note("two")
	for _, manifest := range []ocitest.Manifest{sbom, signature, signature} {
		f.putManifest("app", manifest.Digest.String(), manifest.Content).
			wants(t, want{status: 201, header: map[string]string{"Oci-Subject": subject.Digest.String()}})
	}
	all := f.referrers(t, path)
	expected := []string{sbom.Digest.String(), signature.Digest.String()}
	slices.Sort(expected)
	if !slices.Equal(digests(all), expected) {
		t.Errorf("referrers\n got %q\nwant %q", digests(all), expected)
	}
	for _, r := range all {
		if r.Digest == sbom.Digest.String() && (r.ArtifactType != "application/vnd.example.sbom" || r.Size != len(sbom.Text) ||
			r.MediaType != oci.MediaTypeImageManifest || r.Annotations["org.example.note"] != "one") {
			t.Errorf("descriptor %+v is not that of the pushed manifest", r)
		}
	}
	f.get(path).wants(t, want{status: 200, header: map[string]string{"Oci-Filters-Applied": none, "Link": none}})
	f.get(path+"?artifactType=application%2Fvnd.example.sbom").wants(t, want{status: 200, header: map[string]string{"Oci-Filters-Applied": "artifactType"}})
	if got := f.referrers(t, path+"?artifactType=application/vnd.example.sbom"); !slices.Equal(digests(got), []string{sbom.Digest.String()}) {
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
	subject := ocitest.Image("later")
	manifest := ocitest.Referrer(subject, "application/vnd.example.sbom")
	f.pushManifest("app", "sbom", manifest.Content)
	path := "/v2/app/referrers/" + subject.Digest.String()
	if got := f.referrers(t, path); len(got) != 1 {
		t.Errorf("%d referrers of a subject that is not there yet, want 1", len(got))
	}
	f.delete("/v2/app/manifests/"+manifest.Digest.String()).wants(t, want{status: 202})
	if got := f.referrers(t, path); len(got) != 0 {
		t.Errorf("a deleted referrer is listed: %q", digests(got))
	}
}

func TestArtifactTypesOfReferrers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	subject := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	for name, tt := range map[string]struct {
		manifest     ocitest.Manifest
		artifactType string
	}{
		"an image has that of its config": {ocitest.ImageOf(ocitest.New("application/vnd.example.config", "{}")), "application/vnd.example.config"},
		"an index has its own": {
			ocitest.Index().Change(func(d *ocitest.Document) { d.ArtifactType = "application/vnd.example.bundle" }),
			"application/vnd.example.bundle",
		},
		"an index may have none": {ocitest.Index(), ""},
	} {
		manifest := tt.manifest.Refer(subject)
		f.pushManifest("app", manifest.Digest.String(), manifest.Content)
		all := f.referrers(t, "/v2/app/referrers/"+subject.Digest.String())
		i := slices.Index(digests(all), manifest.Digest.String())
		if i < 0 || all[i].ArtifactType != tt.artifactType || all[i].MediaType != manifest.MediaType {
			t.Errorf("%s: %+v has no entry with the type %q", name, all, tt.artifactType)
		}
	}
}

// TestFallbackTagsOfOlderClients: a client that met a registry without the referrers API keeps an
// index under a tag, and mirrors copy it as it is.
func TestFallbackTagsOfOlderClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	subject := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	both := ocitest.Referrer(subject, "application/vnd.example.both")
	// Pushed without a subject, the old one is known by the tag alone.
	old := ocitest.Referrer(subject, "application/vnd.example.old").Change(func(d *ocitest.Document) { d.Subject = nil })
	f.pushManifest("app", old.Digest.String(), old.Content)
	f.pushManifest("app", both.Digest.String(), both.Content)
	index := ocitest.Index(old, both).Change(func(d *ocitest.Document) {
		d.Manifests[0].ArtifactType, d.Manifests[1].ArtifactType = "application/vnd.example.old", "application/vnd.example.both"
	})
	f.pushManifest("app", strings.Replace(subject.Digest.String(), ":", "-", 1), index.Content)

	path := "/v2/app/referrers/" + subject.Digest.String()
	expected := []string{old.Digest.String(), both.Digest.String()}
	slices.Sort(expected)
	if got := digests(f.referrers(t, path)); !slices.Equal(got, expected) {
		t.Errorf("referrers\n got %q\nwant each once: %q", got, expected)
	}
	if got := digests(f.referrers(t, path+"?artifactType=application/vnd.example.old")); !slices.Equal(got, []string{old.Digest.String()}) {
		t.Errorf("filtered referrers are %q", got)
	}
	f.delete("/v2/app/manifests/"+old.Digest.String()).wants(t, want{status: 202})
	if got := digests(f.referrers(t, path)); !slices.Equal(got, []string{both.Digest.String()}) {
		t.Errorf("referrers with one that is gone are %q", got)
	}
}

func TestATagThatOnlyLooksLikeAFallback(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushImage("app", "a", "v1").Digest
	f.pushManifest("app", strings.Replace(d.String(), ":", "-", 1), ocitest.New("application/vnd.example.signature+json", `{"manifests":"none"}`))
	if got := f.referrers(t, "/v2/app/referrers/"+d.String()); len(got) != 0 {
		t.Errorf("referrers are %q", digests(got))
	}
}
