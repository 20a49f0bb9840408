package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

const (
	forever = "private, max-age=31536000, immutable"
	unknown = "sha256:" + "00000000000000000000000000000000" + "00000000000000000000000000000000"
)

func TestAManifestComesBackByteForByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	// No writer of JSON would write it so.
	manifest := strings.Replace(f.pushImage("app", "a", "v1").Text, "{", "{ \n", 1) + "\n"
	d := digestOf(manifest)
	f.pushManifest("app", "v1", ocitest.New(oci.MediaTypeImageManifest, manifest))

	for _, tt := range []struct{ reference, cacheControl string }{
		{"v1", "no-cache"},
		{d.String(), forever},
	} {
		header := map[string]string{
			"Content-Type": oci.MediaTypeImageManifest, "Content-Length": strconv.Itoa(len(manifest)),
			"Docker-Content-Digest": d.String(), "Docker-Distribution-Api-Version": none,
			"Etag": `"` + d.String() + `"`, "Cache-Control": tt.cacheControl,
		}
		f.get("/v2/app/manifests/"+tt.reference).wants(t, want{status: 200, header: header, body: manifest})
		a := f.head("/v2/app/manifests/" + tt.reference)
		a.wants(t, want{status: 200, header: header})
		if a.body != "" {
			t.Errorf("HEAD has a body of %d bytes", len(a.body))
		}
	}
}

func TestAGetIsAPullAndNothingElseIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		request       call
		tag, manifest bool // whether it was pulled
	}{
		{"GET by tag", call{method: "GET", path: "/v2/app/manifests/v1"}, true, true},
		{"GET by digest", call{method: "GET", path: "/v2/app/manifests/" + ocitest.Image("a").Digest.String()}, false, true},
		{"GET of what the client has", call{method: "GET", path: "/v2/app/manifests/v1", header: map[string]string{"If-None-Match": "*"}}, true, true},
		{"HEAD by tag", call{method: "HEAD", path: "/v2/app/manifests/v1"}, false, false},
		{"HEAD by digest", call{method: "HEAD", path: "/v2/app/manifests/" + ocitest.Image("a").Digest.String()}, false, false},
		{"GET of another tag", call{method: "GET", path: "/v2/app/manifests/v2"}, false, false},
		{"list of tags", call{method: "GET", path: "/v2/app/tags/list"}, false, false},
		{"list of referrers", call{method: "GET", path: "/v2/app/referrers/" + ocitest.Image("a").Digest.String()}, false, false},
		{"push", call{method: "PUT", path: "/v2/app/manifests/v1", header: map[string]string{"Content-Type": oci.MediaTypeImageManifest}, body: strings.NewReader(ocitest.Image("a").Text)}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, settings{})
			f.pushImage("app", "a", "v1")
			f.do(tt.request)
			ended, end := context.WithCancel(t.Context())
			end()
			f.registry.TrackPulls(ended, func(err error) { t.Error(err) })
			app, err := oci.ParseName("app")
			must(t, err)
			times, err := f.registry.Maintenance().PullTimes(t.Context(), app)
			must(t, err)
			if tag, manifest := len(times.Tags) > 0, len(times.Manifests) > 0; tag != tt.tag || manifest != tt.manifest {
				t.Errorf("got %v, want the time of the tag: %t, of the manifest: %t", times, tt.tag, tt.manifest)
			}
		})
	}
}

func TestAClientThatHasTheManifestIsToldSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushImage("app", "a", "v1").Digest
	for _, tt := range []struct {
		name, condition string
		status          int
	}{
		{"by its digest", `"` + d.String() + `"`, 304},
		{"by a weak tag", `W/"` + d.String() + `"`, 304},
		{"among others", `"sha256:other", "` + d.String() + `"`, 304},
		{"by a star", `*`, 304},
		{"but not by another one", `"` + unknown + `"`, 200},
		{"nor by a part of it", `"` + d.String()[:20] + `"`, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "HEAD"} {
				a := f.do(call{method: method, path: "/v2/app/manifests/v1", header: map[string]string{"If-None-Match": tt.condition}})
				a.wants(t, want{status: tt.status, header: map[string]string{"Etag": `"` + d.String() + `"`, "Docker-Content-Digest": d.String()}})
				if tt.status == 304 && a.body != "" {
					t.Errorf("304 has a body of %d bytes", len(a.body))
				}
			}
		})
	}
}

func TestManifestsOfEveryTypeAreTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "v1")
	f.pushBlob("app", "{}")
	index := ocitest.Index(image)
	docker := image.Change(func(d *ocitest.Document) { d.MediaType = oci.MediaTypeDockerManifest })
	f.pushManifest("app", "docker", docker.Content)
	dockerList := ocitest.Index(docker).Change(func(d *ocitest.Document) { d.MediaType = oci.MediaTypeDockerManifestList })

	for _, tt := range []struct {
		name     string
		manifest ocitest.Content
	}{
		{"an index", index.Content},
		{"an index of nothing", ocitest.Index().Content},
		{"a Docker manifest list", dockerList.Content},
		{"an artifact", ocitest.Referrer(image, "application/vnd.example.sbom").Content},
		{"a manifest of a type that nobody knows", ocitest.New("application/vnd.example.thing+json", `{"anything":[1,2,{"goes":null}]}`)},
		{"a type with parameters", ocitest.New(oci.MediaTypeImageIndex+"; charset=utf-8", index.Text+" ")},
		{"a body that says its type itself", ocitest.New("", index.Text+"  ")},
		{"a layer that lies elsewhere", image.Change(func(d *ocitest.Document) {
			elsewhere := ocitest.New("application/vnd.oci.image.layer.nondistributable.v1.tar", "elsewhere").Descriptor()
			elsewhere.URLs = json.RawMessage(`["https://example.com/l"]`)
			d.Layers = []oci.Descriptor{elsewhere}
		}).Content},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := tt.manifest.Digest
			f.putManifest("app", d.String(), tt.manifest).wants(t, want{status: 201})
			mediaType, _, _ := strings.Cut(tt.manifest.MediaType, ";")
			if mediaType == "" {
				mediaType = oci.MediaTypeImageIndex
			}
			f.get("/v2/app/manifests/"+d.String()).wants(t, want{status: 200, body: tt.manifest.Text, header: map[string]string{"Content-Type": mediaType}})
		})
	}
}

func TestManifestsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "v1")
	for _, tt := range []struct {
		name, reference, mediaType, manifest string
		code                                 oci.ErrorCode
		says                                 string
	}{
		{"no JSON", "v2", oci.MediaTypeImageManifest, "no", oci.CodeManifestInvalid, ""},
		{"nothing", "v2", oci.MediaTypeImageManifest, "", oci.CodeManifestInvalid, ""},
		{"half", "v2", oci.MediaTypeImageManifest, image.Text[:100], oci.CodeManifestInvalid, ""},
		{"two", "v2", oci.MediaTypeImageManifest, image.Text + image.Text, oci.CodeManifestInvalid, ""},
		{"schema 1", "v2", oci.MediaTypeDockerSchema1, `{"schemaVersion":1,"fsLayers":[]}`, oci.CodeManifestInvalid, "schema 1"},
		{"signed schema 1", "v2", oci.MediaTypeDockerSchema1Signed, `{"schemaVersion":1,"fsLayers":[]}`, oci.CodeManifestInvalid, "schema 1"},
		{"schema 1 without saying so", "v2", "application/json", `{"schemaVersion":1,"name":"app","fsLayers":[]}`, oci.CodeManifestInvalid, "schema 1"},
		{"another type inside", "v2", oci.MediaTypeImageIndex, image.Text, oci.CodeManifestInvalid, "mediaType"},
		{"no config", "v2", oci.MediaTypeImageManifest, `{"schemaVersion":2,"layers":[]}`, oci.CodeManifestInvalid, "config"},
		{"a malformed digest inside", "v2", oci.MediaTypeImageManifest, strings.Replace(image.Text, "sha256:", "sha256:zz", 1), oci.CodeManifestInvalid, "digest"},
		{"another digest", unknown, oci.MediaTypeImageManifest, image.Text, oci.CodeDigestInvalid, image.Digest.String()},
		{"a malformed digest", "sha256:12", oci.MediaTypeImageManifest, image.Text, oci.CodeDigestInvalid, ""},
		{"an unknown algorithm", "md5:" + strings.Repeat("0", 32), oci.MediaTypeImageManifest, image.Text, oci.CodeDigestInvalid, "sha512"},
		{"a malformed tag", "-v2", oci.MediaTypeImageManifest, image.Text, oci.CodeTagInvalid, ""},
		{"too long a tag", strings.Repeat("a", 129), oci.MediaTypeImageManifest, image.Text, oci.CodeTagInvalid, "128"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := f.putManifest("app", tt.reference, ocitest.New(tt.mediaType, tt.manifest))
			a.wants(t, want{status: 400, code: tt.code})
			if !strings.Contains(a.body, tt.says) {
				t.Errorf("body %s does not say %q", a.body, tt.says)
			}
			f.get("/v2/app/manifests/v2").wants(t, want{status: 404, code: oci.CodeManifestUnknown})
		})
	}
}

func TestAManifestMayNotNameWhatIsMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("other", "a", "v1")
	f.pushBlob("app", "config a")
	a := f.putManifest("app", "v1", ocitest.Image("a").Content)
	a.wants(t, want{status: 404, code: oci.CodeManifestBlobUnknown})
	if !strings.Contains(a.info(t).Message, digestOf("layer a").String()) || strings.Contains(a.body, digestOf("config a").String()) {
		t.Errorf("body %s, want it to name the layer alone", a.body)
	}
	index := ocitest.Index(ocitest.Image("a"))
	a = f.putManifest("app", "v1", index.Content)
	a.wants(t, want{status: 404, code: oci.CodeManifestBlobUnknown})
	if !strings.Contains(a.body, ocitest.Image("a").Digest.String()) {
		t.Errorf("body %s does not name the child", a.body)
	}
	f.get("/v2/app/manifests/v1").wants(t, want{status: 404, code: oci.CodeManifestUnknown})
	f.get("/v2/app/manifests/"+index.Digest.String()).wants(t, want{status: 404})
}

func TestAPutByTagSaysWhereTheManifestIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("team/app", "a", "v1")
	f.putManifest("team/app", "v1", ocitest.Image("a").Content).wants(t, want{status: 201, header: map[string]string{
		"Location":              "/v2/team/app/manifests/" + ocitest.Image("a").Digest.String(),
		"Docker-Content-Digest": ocitest.Image("a").Digest.String(),
		"Oci-Tag":               none, "Oci-Subject": none, "Content-Length": "0",
	}})
}

func TestAPutByDigestMayCarryTags(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "first")
	f.putManifest("app", image.Digest.String()+"?tag=one&tag=two", image.Content).wants(t, want{
		status: 201, header: map[string]string{"Oci-Tag": "one|two", "Docker-Content-Digest": image.Digest.String()},
	})
	for _, tag := range []string{"first", "one", "two"} {
		f.get("/v2/app/manifests/"+tag).wants(t, want{status: 200, body: image.Text})
	}
	for _, tt := range []struct {
		name, reference string
		status          int
	}{
		{"tags beside a tag", "v1?tag=one", 400},
		{"a malformed tag", image.Digest.String() + "?tag=one&tag=-", 400},
		{"more than 32", image.Digest.String() + "?tag=x" + strings.Repeat("&tag=x", 32), 414},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f.putManifest("app", tt.reference, image.Content).wants(t, want{status: tt.status, code: oci.CodeTagInvalid})
		})
	}
	var most []string
	for i := range 32 {
		most = append(most, fmt.Sprint("tag-", i))
	}
	f.putManifest("app", image.Digest.String()+"?tag="+strings.Join(most, "&tag="), image.Content).wants(t, want{
		status: 201, header: map[string]string{"Oci-Tag": strings.Join(most, "|")},
	})
}

func TestAPutWithASha512Digest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "v1")
	d := digest512Of(image.Text)
	f.putManifest("app", d.String()+"?tag=strong", image.Content).wants(t, want{
		status: 201, header: map[string]string{"Docker-Content-Digest": d.String()},
	})
	for _, reference := range []string{d.String(), "strong"} {
		f.get("/v2/app/manifests/"+reference).wants(t, want{status: 200, body: image.Text, header: map[string]string{"Docker-Content-Digest": d.String()}})
	}
}

func TestDeletesOfManifests(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("app", "a", "v1")
	for _, tag := range []string{"v2", "v3"} {
		f.pushManifest("app", tag, image.Content)
	}
	other := f.pushImage("app", "b", "kept").Digest

	t.Log("by tag: the tag alone")
	f.delete("/v2/app/manifests/v1").wants(t, want{status: http.StatusAccepted})
	f.get("/v2/app/manifests/v1").wants(t, want{status: 404, code: oci.CodeManifestUnknown})
	f.get("/v2/app/manifests/v2").wants(t, want{status: 200, body: image.Text})
	f.get("/v2/app/manifests/"+image.Digest.String()).wants(t, want{status: 200, body: image.Text})
	f.delete("/v2/app/manifests/v1").wants(t, want{status: 404, code: oci.CodeManifestUnknown})

	t.Log("by digest: with all its tags")
	f.delete("/v2/app/manifests/"+image.Digest.String()).wants(t, want{status: http.StatusAccepted})
	for _, reference := range []string{"v2", "v3", image.Digest.String()} {
		f.get("/v2/app/manifests/"+reference).wants(t, want{status: 404, code: oci.CodeManifestUnknown})
		f.head("/v2/app/manifests/"+reference).wants(t, want{status: 404})
	}
	f.get("/v2/app/tags/list").wants(t, want{status: 200, body: `{"name":"app","tags":["kept"]}`})
	f.get("/v2/app/manifests/"+other.String()).wants(t, want{status: 200})
	f.delete("/v2/app/manifests/"+image.Digest.String()).wants(t, want{status: 404, code: oci.CodeManifestUnknown})

	t.Log("a push brings it back")
	f.pushManifest("app", "v1", image.Content)
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: image.Text})
	f.holds(t)
}

func TestATagFollowsTheLastPush(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	first := f.pushImage("app", "a", "v1")
	second := f.pushImage("app", "b", "v1")
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: second.Text})
	f.get("/v2/app/manifests/"+first.Digest.String()).wants(t, want{status: 200, body: first.Text})
	f.holds(t)
}

func TestTagsThatDifferByCaseAreTwo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	lower := f.pushImage("app", "a", "latest")
	upper := f.pushImage("app", "b", "LATEST")
	f.get("/v2/app/manifests/latest").wants(t, want{status: 200, body: lower.Text})
	f.get("/v2/app/manifests/LATEST").wants(t, want{status: 200, body: upper.Text})
	f.get("/v2/app/manifests/Latest").wants(t, want{status: 404})
	f.pushManifest("app", strings.Repeat("A", 127), lower.Content)
	f.get("/v2/app/manifests/"+strings.Repeat("A", 127)).wants(t, want{status: 200, body: lower.Text})
}

func BenchmarkGetManifestByTag(b *testing.B) {
	f := newHandlerWithImage(b)
	bench(b, f, "GET", "/v2/app/manifests/v1", 200)
}

// BenchmarkGetManifestUntracked shows beside BenchmarkGetManifestByTag what it costs to note a pull.
func BenchmarkGetManifestUntracked(b *testing.B) {
	f := newHandlerWithImage(b, func(c *registry.Config) { c.TrackPulls = false })
	bench(b, f, "GET", "/v2/app/manifests/v1", 200)
}

func BenchmarkHeadManifest(b *testing.B) {
	f := newHandlerWithImage(b)
	bench(b, f, "HEAD", "/v2/app/manifests/"+ocitest.Image("a").Digest.String(), 200)
}

func BenchmarkPutManifest(b *testing.B) {
	f := newHandlerWithImage(b)
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		body := ocitest.Image("a").Text + strings.Repeat(" ", n%100)
		r := httptest.NewRequestWithContext(b.Context(), "PUT", "/v2/app/manifests/v1", strings.NewReader(body))
		r.Header.Set("Content-Type", oci.MediaTypeImageManifest)
		clear(w.header)
		f.handler.ServeHTTP(w, r)
		if w.status != http.StatusCreated {
			b.Fatalf("status %d, want 201", w.status)
		}
	}
}

func immutableTags(except ...string) func(*registry.Config) {
	return func(c *registry.Config) { c.ImmutableTags = registry.ImmutableTags{Enabled: true, Except: except} }
}

func TestAnImmutableTagKeepsItsManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags("latest", "dev-*", `re:v\d+-rc`)})
	first := f.pushImage("app", "a", "v1")
	second := f.pushImage("app", "b", "latest")
	denied := want{status: http.StatusConflict, code: oci.CodeDenied}

	a := f.putManifest("app", "v1", second.Content)
	a.wants(t, denied)
	if !strings.Contains(a.info(t).Message, "v1") {
		t.Errorf("message %q does not name the tag", a.info(t).Message)
	}
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: first.Text})

	t.Log("the same again is fine")
	f.putManifest("app", "v1", first.Content).wants(t, want{status: 201, header: map[string]string{"Docker-Content-Digest": first.Digest.String()}})

	t.Log("a tag among others keeps all of them from changing")
	a = f.putManifest("app", second.Digest.String()+"?tag=new&tag=v1", second.Content)
	a.wants(t, denied)
	f.get("/v2/app/manifests/new").wants(t, want{status: 404})

	t.Log("exceptions may change")
	for _, tag := range []string{"latest", "dev-1", "v1-rc"} {
		f.pushManifest("app", tag, second.Content)
		f.pushManifest("app", tag, first.Content)
		f.get("/v2/app/manifests/"+tag).wants(t, want{status: 200, body: first.Text})
	}
	for _, tag := range []string{"LATEST", "latest2", "xv1-rc", "v1-rc2"} {
		f.pushManifest("app", tag, first.Content)
		f.putManifest("app", tag, second.Content).wants(t, denied)
	}
	f.holds(t)
}

// TestAPushOfWhatAnImmutableTagHasChangesNothing: neither the time nor the pusher of the tag, nor those
// of the manifest that it stands for.
func TestAPushOfWhatAnImmutableTagHasChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags()})
	image := f.pushImage("app", "a", "v1")
	ns, err := oci.ParseName("app")
	must(t, err)
	before, err := f.registry.GetManifest(t.Context(), ns, oci.Reference{Digest: image.Digest})
	must(t, err)
	f.clock.advance(1e12)
	f.pushManifest("app", "v1", image.Content)
	after, err := f.again(settings{}).registry.GetManifest(t.Context(), ns, oci.Reference{Digest: image.Digest})
	must(t, err)
	if !before.PushedAt.Equal(after.PushedAt) {
		t.Errorf("pushed at %s, and at %s after a second push", before.PushedAt, after.PushedAt)
	}
}

func TestNamesAreTakenUpToTheLengthOfTheSpecification(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{root: t.TempDir()})
	for _, name := range []string{strings.Repeat("a/", 127) + "a", strings.Repeat("a", 255)} {
		image := f.pushImage(name, "a", "v1")
		f.get("/v2/"+name+"/manifests/v1").wants(t, want{status: 200, body: image.Text})
		f.get("/v2/"+name+"/tags/list").wants(t, want{status: 200})
		f.get("/v2/"+name+"b/manifests/v1").wants(t, want{status: 400, code: oci.CodeNameInvalid})
		if names := f.get("/v2/_catalog").body; !strings.Contains(names, `"`+name+`"`) {
			t.Errorf("the catalog is %s, want %s in it", names, name)
		}
		f.delete("/v2/"+name+"/manifests/"+image.Digest.String()).wants(t, want{status: 202})
	}
	f.holds(t)
}

// TestASecondSignatureIsPushedWhereTagsAreImmutable: tools keep all signatures of an image under one tag.
func TestASecondSignatureIsPushedWhereTagsAreImmutable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags()})
	image := f.pushImage("app", "a", "v1")
	signature, more := f.pushImage("app", "b", "signature"), f.pushImage("app", "c", "signatures")
	for _, ending := range []string{"", ".sig", ".att", ".sbom"} {
		tag := "sha256-" + image.Digest.Hex() + ending
		for _, m := range []ocitest.Manifest{signature, more} {
			f.putManifest("app", tag, m.Content).wants(t, want{status: 201})
		}
		f.get("/v2/app/manifests/"+tag).wants(t, want{status: 200, body: more.Text})
	}
	f.putManifest("app", "v1", more.Content).wants(t, want{status: 409, code: oci.CodeDenied})
}

func TestImmutabilityOfARepositoryStandsInForTheGlobalOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{
		config: immutableTags(),
		repositories: []registry.RepositoryConfig{
			{Name: "open", ImmutableTags: &registry.ImmutableTags{}},
			{Name: "open/closed", ImmutableTags: &registry.ImmutableTags{Enabled: true, Except: []string{"edge"}}},
			{Name: "like-global"},
		},
	})
	for _, tt := range []struct {
		namespace, tag string
		status         int
	}{
		{"global", "v1", 409},
		{"like-global/x", "v1", 409},
		{"open", "v1", 201},
		{"open/deep/er", "v1", 201},
		{"open/closed", "v1", 409},
		{"open/closed/below", "v1", 409},
		{"open/closed/below", "edge", 201},
		{"open/closedish", "v1", 201},
		{"opening", "v1", 409},
	} {
		f.pushManifest(tt.namespace, tt.tag, ocitest.Index().Content)
		f.putManifest(tt.namespace, tt.tag, ocitest.Index().Note("another").Content).wants(t, want{status: tt.status})
	}
}

func TestReferencesThatAreMissingMayBeAllowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.MissingReferences = "allow" }})
	f.pushManifest("app", "v1", ocitest.Image("a").Content)
	f.pushManifest("app", "v2", ocitest.Index(ocitest.Image("b")).Content)
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: ocitest.Image("a").Text})
	f.get("/v2/app/blobs/"+digestOf("layer a").String()).wants(t, want{status: 404})
}

func TestAManifestMayBeTooLarge(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.MaxManifestSize = 1000 }})
	const mediaType = "application/vnd.example.thing+json"
	fits := ocitest.New(mediaType, `{"padding":"`+strings.Repeat("x", 1000-14)+`"}`)
	over := ocitest.New(mediaType, `{"padding":"`+strings.Repeat("x", 1000-13)+`"}`)
	f.pushManifest("app", "fits", fits)
	tooLarge := want{status: 413, code: oci.CodeSizeInvalid}
	f.putManifest("app", "over", over).wants(t, tooLarge)
	f.putManifest("app", over.Digest.String(), over).wants(t, tooLarge)
	f.do(call{method: "PUT", path: "/v2/app/manifests/over", body: stream(over.Text), header: map[string]string{"Content-Type": mediaType}}).wants(t, tooLarge)
	f.get("/v2/app/manifests/over").wants(t, want{status: 404})
	f.do(call{method: "PUT", path: "/v2/app/manifests/streamed", body: stream(fits.Text), header: map[string]string{"Content-Type": mediaType}}).wants(t, want{status: 201})
}

// TestATagThatCannotBeStoredIsAbsent: escaped, 128 capital letters are longer than a name in a folder may be.
func TestATagThatCannotBeStoredIsAbsent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	capitals := strings.Repeat("A", 128)
	path := "/v2/app/manifests/" + capitals
	absent := want{status: 404, code: oci.CodeManifestUnknown}
	f.get(path).wants(t, absent)
	f.head(path).wants(t, want{status: 404})
	f.delete(path).wants(t, absent)
	f.putManifest("app", capitals, ocitest.Image("a").Content).wants(t, want{status: 400, code: oci.CodeTagInvalid})
	f.get("/v2/app/tags/list?last="+capitals).wants(t, want{status: 200, body: `{"name":"app","tags":["v1"]}`})
	f.pushManifest("app", capitals[:127]+"a", ocitest.Image("a").Content)
	f.get("/v2/app/manifests/"+capitals[:127]+"a").wants(t, want{status: 200})
}

func TestAMissingTagIsNamedAsOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	for _, method := range []string{"GET", "DELETE"} {
		got := f.do(call{method: method, path: "/v2/app/manifests/nope"})
		got.wants(t, want{status: 404, code: oci.CodeManifestUnknown})
		if want := "this repository has no such tag or manifest"; !strings.Contains(got.body, want) {
			t.Errorf("%s: got %s, want %q in it", method, got.body, want)
		}
	}
}
