package snapshot_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestBelowAPathOfAProxy: every link leads below the path of the external URL, and nothing is served beside it: a proxy
// that took the path away, too, could be asked for it twice.
func TestBelowAPathOfAProxy(t *testing.T) {
	t.Parallel()
	for _, external := range []string{"https://registry.example/registry", "https://registry.example/registry/"} {
		set := setup{config: "policy: {rules: [\"identity.username == 'a'\"]}\n", users: user(t, "a")}
		beside := newWorld(t, set) // of the same store
		beside.pushImage(signIn("a"), "app", "2", "a")
		beside.pushImage(signIn("a"), "other", "1", "a")
		set.config += "server: {external_url: '" + external + "'}\n"
		w := beside.again(set)
		send := func(method, path, body, contentType string, status int) http.Header {
			t.Helper()
			return w.do(call{method: method, path: path, auth: signIn("a"), body: body, header: http.Header{"Content-Type": {contentType}}}).is(t, status).header
		}
		leads := func(what, link string) string {
			t.Helper()
			link = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			if !strings.HasPrefix(link, "/registry/v2/") {
				t.Errorf("%s leads to %q, want a path below /registry/", what, link)
			}
			return link
		}
		upload := leads("the begin of an upload", send("POST", "/registry/v2/app/blobs/uploads/", "", "", 202).Get("Location"))
		upload = leads("a chunk", send("PATCH", upload, "text", "application/octet-stream", 202).Get("Location"))
		upload = leads("the state of an upload", send("GET", upload, "", "", 204).Get("Location"))
		send("GET", leads("the end of an upload", send("PUT", upload+"?digest="+digestOf("text"), "", "", 201).Get("Location")), "", "", 200)
		image := putImage(signIn("a"), "app", "1", "a")
		pushed := send("PUT", "/registry"+image.path, image.body, image.header.Get("Content-Type"), 201)
		send("GET", leads("a manifest", pushed.Get("Location")), "", "", 200)
		send("GET", leads("a page of tags", send("GET", "/registry/v2/app/tags/list?n=1", "", "", 200).Get("Link")), "", "", 200)
		send("GET", leads("a page of the catalog", send("GET", "/registry/v2/_catalog?n=1", "", "", 200).Get("Link")), "", "", 200)
		w.get("/registry/healthz", "").is(t, 200)
		w.get("/registry", "").is(t, 200)
		for _, outside := range []string{
			"/", "/token", "/v2/", "/v2/_catalog", "/v2/app/manifests/1", "/registryv2/", "/registry/registry/v2/app/manifests/1", "/registry/registry/healthz",
			"/%72egistry/%72egistry/v2/app/manifests/1", "/nothing",
		} {
			w.get(outside, signIn("a")).is(t, 404)
		}
		w.get("/%72egistry/v2/app/manifests/1", signIn("a")).is(t, 200)
		w.get("/healthz", "").is(t, 200)
		w.get("/readyz", "").is(t, 200)
		w.get("/metrics", signIn("a")).is(t, 200)
		if got := w.get("/registry/", "").body; !strings.Contains(got, "curl https://registry.example/registry/v2/alpine/tags/list") {
			t.Errorf("the root says %s, want what works from outside", got)
		}
		if got := w.get("/registry/v2/", "").is(t, 401).header.Get("Www-Authenticate"); !strings.Contains(got, `realm="https://registry.example/registry/token"`) {
			t.Errorf("the challenge is %q, want a realm below the path", got)
		}
	}
}
