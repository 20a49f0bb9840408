package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

func immutableTags(except ...string) func(*registry.Config) {
	return func(c *registry.Config) { c.ImmutableTags = registry.ImmutableTags{Enabled: true, Except: except} }
}

func TestAnImmutableTagKeepsItsManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags("latest", "dev-*", `re:v\d+-rc`)})
	first, d := f.pushImage("app", "a", "v1")
	second, other := f.pushImage("app", "b", "latest")
	denied := want{status: http.StatusConflict, code: oci.CodeDenied}

	a := f.putManifest("app", "v1", oci.MediaTypeImageManifest, second)
	a.wants(t, denied)
	if !strings.Contains(a.info(t).Message, "v1") {
		t.Errorf("message %q does not name the tag", a.info(t).Message)
	}
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: first})

	t.Log("the same again is fine")
	f.putManifest("app", "v1", oci.MediaTypeImageManifest, first).wants(t, want{status: 201, header: map[string]string{"Docker-Content-Digest": d.String()}})

	t.Log("a tag among others keeps all of them from changing")
	a = f.putManifest("app", other.String()+"?tag=new&tag=v1", oci.MediaTypeImageManifest, second)
	a.wants(t, denied)
	f.get("/v2/app/manifests/new").wants(t, want{status: 404})

	t.Log("exceptions may change")
	for _, tag := range []string{"latest", "dev-1", "v1-rc"} {
		f.pushManifest("app", tag, oci.MediaTypeImageManifest, second)
		f.pushManifest("app", tag, oci.MediaTypeImageManifest, first)
		f.get("/v2/app/manifests/"+tag).wants(t, want{status: 200, body: first})
	}
	for _, tag := range []string{"LATEST", "latest2", "xv1-rc", "v1-rc2"} {
		f.pushManifest("app", tag, oci.MediaTypeImageManifest, first)
		f.putManifest("app", tag, oci.MediaTypeImageManifest, second).wants(t, denied)
	}
	f.holds(t)
}

// TestAPushOfWhatAnImmutableTagHasChangesNothing: neither the time nor the pusher of the tag, nor those
// of the manifest that it stands for.
func TestAPushOfWhatAnImmutableTagHasChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: immutableTags()})
	image, d := f.pushImage("app", "a", "v1")
	ns, err := oci.ParseName("app")
	must(t, err)
	before, err := f.registry.GetManifest(t.Context(), ns, oci.Reference{Digest: d})
	must(t, err)
	f.clock.advance(1e12)
	f.pushManifest("app", "v1", oci.MediaTypeImageManifest, image)
	after, err := f.again(settings{}).registry.GetManifest(t.Context(), ns, oci.Reference{Digest: d})
	must(t, err)
	if !before.PushedAt.Equal(after.PushedAt) {
		t.Errorf("pushed at %s, and at %s after a second push", before.PushedAt, after.PushedAt)
	}
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
		f.pushManifest(tt.namespace, tt.tag, oci.MediaTypeImageIndex, indexOf())
		f.putManifest(tt.namespace, tt.tag, oci.MediaTypeImageIndex, indexOf()+" ").wants(t, want{status: tt.status})
	}
}

func TestUnlistedNamespacesMayBeDenied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	_, d := f.pushImage("free", "a", "v1")
	f.pushImage("hub/nginx", "a", "v1")
	f = f.again(settings{
		config:       func(c *registry.Config) { c.UnlistedNamespaces = "deny" },
		repositories: []registry.RepositoryConfig{{Name: "hub"}},
	})
	for _, c := range everyRequest("free", d) {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			f.do(c).wants(t, want{status: 404, code: oci.CodeNameUnknown})
		})
	}
	f.get("/v2/hub/nginx/manifests/v1").wants(t, want{status: 200})
	f.pushImage("hub", "b", "v1")
	f.do(call{method: "POST", path: "/v2/hub/blobs/uploads/?from=free&mount=" + digestOf("layer a").String()}).wants(t, want{status: 202})
	f.get("/v2/hubs/manifests/v1").wants(t, want{status: 404, code: oci.CodeNameUnknown})
}

// everyRequest is one of each that names something in a namespace which holds an image "a".
func everyRequest(ns string, d oci.Digest) []call {
	layer := digestOf("layer a").String()
	return append(everyWrite(ns, d),
		call{method: "GET", path: "/v2/" + ns + "/manifests/v1"},
		call{method: "HEAD", path: "/v2/" + ns + "/manifests/" + d.String()},
		call{method: "GET", path: "/v2/" + ns + "/blobs/" + layer},
		call{method: "HEAD", path: "/v2/" + ns + "/blobs/" + layer},
		call{method: "GET", path: "/v2/" + ns + "/tags/list"},
		call{method: "GET", path: "/v2/" + ns + "/referrers/" + d.String()},
		call{method: "GET", path: "/v2/" + ns + "/blobs/uploads/id"},
	)
}

// everyWrite is one of each request that changes a namespace.
func everyWrite(ns string, d oci.Digest) []call {
	layer := digestOf("layer a").String()
	uploads := "/v2/" + ns + "/blobs/uploads/"
	return []call{
		{method: "PUT", path: "/v2/" + ns + "/manifests/v1", body: strings.NewReader(imageOf("a"))},
		{method: "PUT", path: "/v2/" + ns + "/manifests/v2", body: strings.NewReader(imageOf("a"))},
		{method: "PUT", path: "/v2/" + ns + "/manifests/" + d.String(), body: strings.NewReader(imageOf("a"))},
		{method: "PUT", path: "/v2/" + ns + "/manifests/" + d.String() + "?tag=v3", body: strings.NewReader(imageOf("a"))},
		{method: "DELETE", path: "/v2/" + ns + "/manifests/v1"},
		{method: "DELETE", path: "/v2/" + ns + "/manifests/" + d.String()},
		{method: "DELETE", path: "/v2/" + ns + "/blobs/" + layer},
		{method: "POST", path: uploads},
		{method: "POST", path: uploads + "?digest=" + digestOf(tenBytes).String(), body: strings.NewReader(tenBytes)},
		{method: "POST", path: uploads + "?mount=" + layer + "&from=" + ns},
		{method: "POST", path: uploads + "?mount=" + digestOf("layer of another").String() + "&from=another"},
		{method: "PATCH", path: uploads + "id", body: strings.NewReader("x")},
		{method: "PUT", path: uploads + "id?digest=" + layer},
		{method: "DELETE", path: uploads + "id"},
	}
}

func TestReferencesThatAreMissingMayBeAllowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.MissingReferences = "allow" }})
	f.pushManifest("app", "v1", oci.MediaTypeImageManifest, imageOf("a"))
	f.pushManifest("app", "v2", oci.MediaTypeImageIndex, indexOf(descriptorOf(oci.MediaTypeImageManifest, imageOf("b"))))
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200, body: imageOf("a")})
	f.get("/v2/app/blobs/"+digestOf("layer a").String()).wants(t, want{status: 404})
}

func TestAManifestMayBeTooLarge(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{config: func(c *registry.Config) { c.MaxManifestSize = 1000 }})
	fits := `{"padding":"` + strings.Repeat("x", 1000-14) + `"}`
	over := `{"padding":"` + strings.Repeat("x", 1000-13) + `"}`
	const mediaType = "application/vnd.example.thing+json"
	f.pushManifest("app", "fits", mediaType, fits)
	tooLarge := want{status: 413, code: oci.CodeSizeInvalid}
	f.putManifest("app", "over", mediaType, over).wants(t, tooLarge)
	f.putManifest("app", digestOf(over).String(), mediaType, over).wants(t, tooLarge)
	f.do(call{method: "PUT", path: "/v2/app/manifests/over", body: stream(over), header: map[string]string{"Content-Type": mediaType}}).wants(t, tooLarge)
	f.get("/v2/app/manifests/over").wants(t, want{status: 404})
	f.do(call{method: "PUT", path: "/v2/app/manifests/streamed", body: stream(fits), header: map[string]string{"Content-Type": mediaType}}).wants(t, want{status: 201})
}

// TestAMirrorTakesNoWrite pushes and deletes where an upstream registry fills the repository.
func TestAMirrorTakesNoWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	manifest, d := f.pushImage("hub/app", "a", "v1")
	session := f.start("hub/app", "")
	f = f.again(settings{repositories: []registry.RepositoryConfig{{Name: "hub", Mirror: true}, {Name: "hub/own"}}})
	before := f.keys(t)

	refused := want{status: http.StatusMethodNotAllowed, code: oci.CodeUnsupported}
	blob := digestOf("layer a")
	for _, c := range []call{
		{method: "POST", path: "/v2/hub/app/blobs/uploads/"},
		{method: "POST", path: "/v2/hub/app/blobs/uploads/?digest=" + blob.String(), body: strings.NewReader("layer a")},
		{method: "POST", path: "/v2/hub/app/blobs/uploads/?mount=" + blob.String() + "&from=hub/app"},
		{method: "PATCH", path: session, body: strings.NewReader("x")},
		{method: "PUT", path: session + "?digest=" + blob.String(), body: strings.NewReader("layer a")},
		{method: "DELETE", path: session},
		{method: "PUT", path: "/v2/hub/app/manifests/v2", body: strings.NewReader(manifest)},
		{method: "DELETE", path: "/v2/hub/app/manifests/v1"},
		{method: "DELETE", path: "/v2/hub/app/manifests/" + d.String()},
		{method: "DELETE", path: "/v2/hub/app/blobs/" + blob.String()},
	} {
		f.do(c).wants(t, refused)
	}
	if after := f.keys(t); !slices.Equal(before, after) {
		t.Errorf("the store has\n%s\nand had\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	f.get("/v2/hub/app/manifests/v1").wants(t, want{status: 200, body: manifest})
	f.get("/v2/hub/app/blobs/"+blob.String()).wants(t, want{status: 200, body: "layer a"})

	t.Log("a repository below it is its own, and so is one beside it")
	f.pushImage("hub/own", "b", "v1")
	f.pushImage("hubs", "b", "v1")
}
