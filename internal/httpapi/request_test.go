package httpapi_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

func TestMethodsThatAResourceHasNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, tt := range []struct{ method, path, allow string }{
		{"POST", "/v2/", "GET, HEAD"},
		{"DELETE", "/v2/_catalog", "GET, HEAD"},
		{"PUT", "/v2/app/tags/list", "GET, HEAD"},
		{"POST", "/v2/app/manifests/v1", "DELETE, GET, HEAD, PUT"},
		{"PATCH", "/v2/app/manifests/v1", "DELETE, GET, HEAD, PUT"},
		{"PUT", "/v2/app/blobs/" + unknown, "DELETE, GET, HEAD"},
		{"GET", "/v2/app/blobs/uploads/", "POST"},
		{"POST", "/v2/app/blobs/uploads/id", "DELETE, GET, HEAD, PATCH, PUT"},
		{"DELETE", "/v2/app/referrers/" + unknown, "GET, HEAD"},
		{"POST", "/", "GET, HEAD"},
		{"POST", "/healthz", "GET, HEAD"},
		{"OPTIONS", "/v2/app/manifests/v1", "DELETE, GET, HEAD, PUT"},
		{"BREW", "/metrics", "GET, HEAD"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			f.do(call{method: tt.method, path: tt.path}).wants(t, want{status: 405, code: oci.CodeUnsupported, header: map[string]string{"Allow": tt.allow}})
		})
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	d := f.pushImage("app", "a", "v1").Digest
	for _, path := range []string{
		"/v1/", "/v3/app/manifests/v1", "/V2/", "/v2/app", "/v2/app/", "/v2/app/manifests", "/v2/app/manifests/", "/v2/app/blobs/",
		"/v2/app/manifest/v1", "/v2/app/tags", "/v2/app/tags/", "/v2/app/tags/all", "/v2/_catalog/", "/v2/_ext/", "/v2/manifests/v1",
		"/index.html", "/favicon.ico", "/healthz/", "/debug/pprof/",
		"/v2/app%2Fmanifests/v1", "/v2/app/manifests%2fv1", "/v2/app/blobs%2F" + d.String(), "/v2%2Fapp/manifests/v1",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "PUT"} {
				f.do(call{method: method, path: path}).wants(t, want{status: 404, code: oci.CodeUnsupported})
			}
		})
	}
}

func TestPathsThatAreEncoded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	image := f.pushImage("team/app", "a", "v1")
	for _, path := range []string{
		"/v2/team/app/manifests/%76%31", "/v2/te%61m/app/manifests/v1", "/%762/team/app/manifests/v1",
		"/v2/team/app/manifests/" + url.QueryEscape(image.Digest.String()),
	} {
		f.get(path).wants(t, want{status: 200, body: image.Text})
	}
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, name := range []string{
		"App", "-app", "app-", "a..b", "a__.b", "a//b", "/a", "a/", "", "a/../b", "..", ".", "_app", "app/_layers", "a%00", "a%20b", "%C3%A4",
		"a%5Cb", strings.Repeat("a", 256), strings.Repeat("a/", 130) + "a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []call{
				{method: "GET", path: "/v2/" + name + "/manifests/v1"},
				{method: "PUT", path: "/v2/" + name + "/manifests/v1", body: strings.NewReader(ocitest.Index().Text)},
				{method: "GET", path: "/v2/" + name + "/tags/list"},
				{method: "GET", path: "/v2/" + name + "/blobs/" + unknown},
				{method: "POST", path: "/v2/" + name + "/blobs/uploads/"},
				{method: "GET", path: "/v2/" + name + "/blobs/uploads/id"},
				{method: "GET", path: "/v2/" + name + "/referrers/" + unknown},
			} {
				f.do(c).wants(t, want{status: 400, code: oci.CodeNameInvalid})
			}
		})
	}
}

// TestNamespacesMayHaveTheWordsOfTheAPI: the path is read from its end.
func TestNamespacesMayHaveTheWordsOfTheAPI(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, ns := range []string{"manifests", "blobs", "tags/list", "blobs/uploads", "a/manifests/b", "v2", "referrers/tags", "uploads", "manifests/manifests"} {
		t.Run(ns, func(t *testing.T) {
			t.Parallel()
			image := f.pushImage(ns, "a", "v1")
			f.get("/v2/"+ns+"/manifests/v1").wants(t, want{status: 200, body: image.Text})
			f.get("/v2/"+ns+"/tags/list").wants(t, want{status: 200, body: `{"name":"` + ns + `","tags":["v1"]}`})
			f.wantBlob(t, ns, "layer a")
			f.referrers(t, "/v2/"+ns+"/referrers/"+image.Digest.String())
			path := f.start(ns, "")
			f.finish(path, tenBytes, digestOf(tenBytes)).wants(t, want{status: 201})
		})
	}
	f.holds(t)
}
