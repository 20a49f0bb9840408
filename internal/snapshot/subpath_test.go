package snapshot_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestBelowAPathOfAProxy: every link leads below the path of the external URL, whether the proxy takes it away or not.
func TestBelowAPathOfAProxy(t *testing.T) {
	t.Parallel()
	for _, external := range []string{"https://registry.example/registry", "https://registry.example/registry/"} {
		w := newWorld(t, setup{
			config: "server: {external_url: '" + external + "'}\npolicy: {rules: [\"identity.username == 'a'\"]}\n", users: user(t, "a"),
		})
		w.pushImage(signIn("a"), "app", "2", "a") // the proxy takes the path away
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
		// From here on the proxy leaves the path as it is.
		upload := leads("the begin of an upload", send("POST", "/registry/v2/app/blobs/uploads/", "", "", 202).Get("Location"))
		upload = leads("a chunk", send("PATCH", upload, "text", "application/octet-stream", 202).Get("Location"))
		upload = leads("the state of an upload", send("GET", upload, "", "", 204).Get("Location"))
		send("GET", leads("the end of an upload", send("PUT", upload+"?digest="+digestOf("text"), "", "", 201).Get("Location")), "", "", 200)
		image := putImage(signIn("a"), "app", "1", "a")
		pushed := send("PUT", "/registry"+image.path, image.body, image.header.Get("Content-Type"), 201)
		send("GET", leads("a manifest", pushed.Get("Location")), "", "", 200)
		send("GET", leads("a page of tags", send("GET", "/registry/v2/app/tags/list?n=1", "", "", 200).Get("Link")), "", "", 200)
		w.pushImage(signIn("a"), "other", "1", "a")
		send("GET", leads("a page of the catalog", send("GET", "/registry/v2/_catalog?n=1", "", "", 200).Get("Link")), "", "", 200)
		w.get("/registry/healthz", "").is(t, 200)
		w.get("/registry", "").is(t, 200)
		w.get("/registryv2/", signIn("a")).is(t, 404)
		w.get("/registry/registry/v2/", signIn("a")).is(t, 404)
		if got := w.get("/registry/", "").body; !strings.Contains(got, "curl https://registry.example/registry/v2/alpine/tags/list") {
			t.Errorf("the root says %s, want what works from outside", got)
		}
		if got := w.get("/registry/v2/", "").is(t, 401).header.Get("Www-Authenticate"); !strings.Contains(got, `realm="https://registry.example/registry/token"`) {
			t.Errorf("the challenge is %q, want a realm below the path", got)
		}
	}
}
