package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestUnlistedNamespacesMayBeDenied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushImage("free", "a", "v1").Digest
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
		{method: "PUT", path: "/v2/" + ns + "/manifests/v1", body: strings.NewReader(ocitest.Image("a").Text)},
		{method: "PUT", path: "/v2/" + ns + "/manifests/v2", body: strings.NewReader(ocitest.Image("a").Text)},
		{method: "PUT", path: "/v2/" + ns + "/manifests/" + d.String(), body: strings.NewReader(ocitest.Image("a").Text)},
		{method: "PUT", path: "/v2/" + ns + "/manifests/" + d.String() + "?tag=v3", body: strings.NewReader(ocitest.Image("a").Text)},
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

// TestAMirrorTakesNoWrite pushes and deletes where an upstream registry fills the repository.
func TestAMirrorTakesNoWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	manifest := f.pushImage("hub/app", "a", "v1")
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
		{method: "PUT", path: "/v2/hub/app/manifests/v2", body: strings.NewReader(manifest.Text)},
		{method: "DELETE", path: "/v2/hub/app/manifests/v1"},
		{method: "DELETE", path: "/v2/hub/app/manifests/" + manifest.Digest.String()},
		{method: "DELETE", path: "/v2/hub/app/blobs/" + blob.String()},
	} {
		f.do(c).wants(t, refused)
	}
	if after := f.keys(t); !slices.Equal(before, after) {
		t.Errorf("the store has\n%s\nand had\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	f.get("/v2/hub/app/manifests/v1").wants(t, want{status: 200, body: manifest.Text})
	f.get("/v2/hub/app/blobs/"+blob.String()).wants(t, want{status: 200, body: "layer a"})

	t.Log("a repository below it is its own, and so is one beside it")
	f.pushImage("hub/own", "b", "v1")
	f.pushImage("hubs", "b", "v1")
}
