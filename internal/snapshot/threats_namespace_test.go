package snapshot_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// The TestThreat... tests try what registries were attacked with before, against a whole sreg over HTTP;
// docs/security.md lists the classes by the same names.

// tenants is a config in which everybody may do everything below their own name, and nothing else; root
// may do everything.
const tenants = "policy: {rules: [{name: own, expr: \"identity.username != null && (request.namespace == identity.username || request.namespace.startsWith(identity.username + '/'))\"}, {name: root, expr: \"identity.username == 'root'\"}]}\n"

func newTenants(t *testing.T, more string) *world {
	t.Helper()
	w := newWorld(t, setup{config: tenants + more, users: user(t, "a") + user(t, "b") + user(t, "root")})
	w.pushImage(signIn("b"), "b", "v1", "b's")
	w.pushImage(signIn("a"), "a", "v1", "a's")
	return w
}

// TestThreatBlobOfAnotherNamespaceWithRights: a may pull a alone, and knows the digest of what b has. Each
// answer is byte for byte that for a digest which nobody has.
func TestThreatBlobOfAnotherNamespaceWithRights(t *testing.T) {
	t.Parallel()
	w := newTenants(t, "")
	there, absent := digestOf("layer b's"), digestOf("layer nobody's")
	absentImage := ocitest.Image("nobody's").Digest.String()
	for _, auth := range []string{signIn("a"), w.token(signIn("a"))} {
		for _, c := range []call{
			{method: "HEAD", path: "/v2/a/blobs/{digest}"},
			{method: "GET", path: "/v2/a/blobs/{digest}"},
			{method: "GET", path: "/v2/a/blobs/{digest}", header: http.Header{"Range": {"bytes=0-3"}}},
			{method: "GET", path: "/v2/a/blobs/{digest}", header: http.Header{"Range": {"bytes=99999-"}}},
			{method: "GET", path: "/v2/a/blobs/{digest}", header: http.Header{"If-None-Match": {`"{digest}"`}}},
			{method: "GET", path: "/v2/a/blobs/{digest}", header: http.Header{"If-None-Match": {"*"}}},
			{method: "DELETE", path: "/v2/a/blobs/{digest}"},
			{method: "HEAD", path: "/v2/b/blobs/{digest}"},
			{method: "GET", path: "/v2/b/blobs/{digest}"},
			{method: "DELETE", path: "/v2/b/blobs/{digest}"},
			{method: "POST", path: "/v2/a/blobs/uploads/?mount={digest}"},
			{method: "POST", path: "/v2/a/blobs/uploads/?mount={digest}&from=a"},
			{method: "POST", path: "/v2/a/blobs/uploads/?mount={digest}&from=b"},
			{method: "POST", path: "/v2/a/blobs/uploads/?mount={digest}&from=nowhere"},
			{method: "POST", path: "/v2/a/blobs/uploads/?mount={digest}&from=b&digest-algorithm=sha512"},
			{method: "POST", path: "/v2/a/blobs/uploads/?mount={digest}&from=a&from=b"},
			{method: "PUT", path: "/v2/a/manifests/v2", header: http.Header{"Content-Type": {"application/vnd.oci.image.manifest.v1+json"}}, body: ocitest.Image("b's").Text},
			{method: "GET", path: "/v2/a/manifests/{image}"},
			{method: "GET", path: "/v2/a/referrers/{image}"},
		} {
			t.Run(c.String(), func(t *testing.T) {
				got, want := w.do(c.with(auth, there, ocitest.Image("b's").Digest.String())), w.do(c.with(auth, absent, absentImage))
				if got.status < 300 && got.status != http.StatusAccepted && !strings.Contains(c.path, "referrers") {
					t.Errorf("%s: status %d", c, got.status)
				}
				if x, y := alike(got), alike(want); x != y {
					t.Errorf("%s\nof b's    %s\nof nobody %s", c, x, y)
				}
			})
		}
	}
	w.get("/v2/a/blobs/"+there, signIn("a")).is(t, http.StatusNotFound)
	w.get("/v2/b/blobs/"+there, signIn("b")).is(t, http.StatusOK)
}

// with fills a call in: who asks, and what for.
func (c call) with(auth, digest, image string) call {
	fill := strings.NewReplacer("{digest}", digest, "{image}", image)
	if digest == digestOf("layer nobody's") {
		c.body = strings.ReplaceAll(c.body, ocitest.Image("b's").Text, ocitest.Image("nobody's").Text)
	}
	c.auth, c.path = auth, fill.Replace(c.path)
	header := http.Header{}
	for name, values := range c.header {
		header[name] = []string{fill.Replace(values[0])}
	}
	c.header = header
	return c
}

// alike is a plain reply without the ids that any two have different ones of, and without the digests and
// sizes that were in the request.
func alike(r reply) string {
	id := r.header.Get("Docker-Upload-Uuid")
	pairs := []string{
		digestOf("layer b's"), "<digest>", digestOf("layer nobody's"), "<digest>", digestOf("config b's"), "<config>", digestOf("config nobody's"), "<config>",
	}
	if id != "" {
		pairs = append(pairs, id, "<id>")
	}
	return r.as(pairs...)
}

// TestThreatRightsGuessedFromTheVerbWithRights: who may create tags but overwrite none, and who may write
// some tags, finds no other way to the rest.
func TestThreatRightsGuessedFromTheVerbWithRights(t *testing.T) {
	t.Parallel()
	const rules = `
registry: {immutable_tags: {enabled: true, except: ["dev-*"]}}
policy:
  rules:
    - {name: root, expr: "identity.username == 'root'"}
    - {name: uploads, expr: "request.action in ['start-upload', 'update-upload', 'complete-upload', 'get-manifest', 'get-blob', 'mount-blob']"}
    - {name: tags, expr: "request.action == 'put-manifest' && request.tags.all(t, t.startsWith('dev-') || t == 'v1')"}
    - {name: goes, expr: "request.action == 'delete-manifest' && request.reference.startsWith('dev-')"}
`
	w := newWorld(t, setup{config: rules, users: user(t, "ci") + user(t, "root")})
	first := w.pushImage(signIn("root"), "app", "v1", "one")
	w.pushImage(signIn("ci"), "app", "dev-1", "two")
	second := ocitest.Image("two").Digest.String()
	for _, tt := range []struct {
		name   string
		call   call
		status int
	}{
		{"overwrite", putImage("", "app", "v1", "two"), http.StatusConflict},
		{"overwrite by digest with a tag", putImage("", "app", second+"?tag=v1", "two"), http.StatusConflict},
		{"overwrite among others", putImage("", "app", second+"?tag=dev-9&tag=v1", "two"), http.StatusConflict},
		{"a tag of others", putImage("", "app", "prod", "two"), http.StatusForbidden},
		{"a tag of others by digest", putImage("", "app", second+"?tag=prod", "two"), http.StatusForbidden},
		{"a tag of others behind one's own", putImage("", "app", second+"?tag=dev-2&tag=prod", "two"), http.StatusForbidden},
		{"a tag of others, encoded", putImage("", "app", second+"?t%61g=pr%6fd", "two"), http.StatusForbidden},
		{"a tag of others in the path, encoded", putImage("", "app", "pr%6fd", "two"), http.StatusForbidden},
		{"a tag of others in another case", putImage("", "app", "DEV-1", "two"), http.StatusForbidden},
		{"delete by digest", call{method: "DELETE", path: "/v2/app/manifests/" + second}, http.StatusForbidden},
		{"delete a tag of others", call{method: "DELETE", path: "/v2/app/manifests/v1"}, http.StatusForbidden},
		{"delete a blob", call{method: "DELETE", path: "/v2/app/blobs/" + digestOf("layer one")}, http.StatusForbidden},
		{"a method in another case", call{method: "delete", path: "/v2/app/manifests/v1"}, http.StatusMethodNotAllowed},
		{"a method by a header", call{method: "POST", path: "/v2/app/manifests/v1", header: http.Header{"X-Http-Method-Override": {"DELETE"}}}, http.StatusMethodNotAllowed},
		{"a method by the query", call{method: "GET", path: "/v2/app/manifests/v1?_method=DELETE"}, http.StatusOK},
		{"what is allowed is", putImage("", "app", second+"?tag=dev-2&tag=dev-3", "two"), http.StatusCreated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.call.auth = signIn("ci")
			w.do(tt.call).is(t, tt.status)
		})
	}
	if got := w.do(call{method: "HEAD", path: "/v2/app/manifests/v1", auth: signIn("root")}).is(t, 200).header.Get("Docker-Content-Digest"); got != first {
		t.Errorf("v1 is %s now, want %s", got, first)
	}
	if tags := w.get("/v2/app/tags/list", signIn("root")).body; strings.Contains(tags, "prod") || strings.Contains(tags, "DEV") || strings.Contains(tags, "dev-9") {
		t.Errorf("there are tags %s", tags)
	}
}

// TestThreatDeniedActionByAnotherRoute: for each action one user may do everything else. No route does
// that one.
func TestThreatDeniedActionByAnotherRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{
		config: "policy: {rules: [{name: but one, expr: \"identity.username == 'root' || !(request.action in identity.groups)\"}]}\n",
		users: user(t, "root") + user(t, "u1", "get-manifest") + user(t, "u2", "put-manifest") + user(t, "u3", "delete-manifest") + user(t, "u4", "get-blob") +
			user(t, "u5", "delete-blob") + user(t, "u6", "start-upload") + user(t, "u7", "complete-upload") + user(t, "u8", "mount-blob") + user(t, "u9", "list-tags") +
			user(t, "u10", "get-referrers") + user(t, "u11", "list-catalog") + user(t, "u12", "metrics") + user(t, "u13", "update-upload") +
			user(t, "u14", "get-upload") + user(t, "u15", "cancel-upload"),
	})
	image := w.pushImage(signIn("root"), "app", "v1", "one")
	layer := digestOf("layer one")
	session := w.do(call{method: "POST", path: "/v2/app/blobs/uploads/", auth: signIn("root")}).is(t, 202).header.Get("Location")
	for _, tt := range []struct {
		who   string
		calls []call
	}{
		{"u1", []call{{method: "GET", path: "/v2/app/manifests/v1"}, {method: "HEAD", path: "/v2/app/manifests/v1"}, {method: "GET", path: "/v2/app/manifests/" + image}}},
		{"u2", []call{putImage("", "app", "v2", "one"), putImage("", "app", image, "one"), putImage("", "app", image+"?tag=v2", "one")}},
		{"u3", []call{{method: "DELETE", path: "/v2/app/manifests/v1"}, {method: "DELETE", path: "/v2/app/manifests/" + image}}},
		{"u4", []call{{method: "GET", path: "/v2/app/blobs/" + layer}, {method: "HEAD", path: "/v2/app/blobs/" + layer}}},
		{"u5", []call{{method: "DELETE", path: "/v2/app/blobs/" + layer}}},
		{"u6", []call{
			{method: "POST", path: "/v2/app/blobs/uploads/"},
			{method: "POST", path: "/v2/app/blobs/uploads"},
			{method: "POST", path: "/v2/app/blobs/uploads/?digest=" + digestOf("new"), body: "new"},
			{method: "POST", path: "/v2/app/blobs/uploads/?mount=" + digestOf("nobody's")},
			{method: "POST", path: "/v2/app/blobs/uploads/?mount=" + digestOf("nobody's") + "&from=other"},
		}},
		{"u7", []call{{method: "PUT", path: session + "?digest=" + digestOf("")}, {method: "POST", path: "/v2/app/blobs/uploads/?digest=" + digestOf("new"), body: "new"}}},
		{"u8", []call{{method: "POST", path: "/v2/other/blobs/uploads/?from=app&mount=" + layer}, {method: "POST", path: "/v2/app/blobs/uploads/?mount=" + layer}}},
		{"u9", []call{{method: "GET", path: "/v2/app/tags/list"}, {method: "HEAD", path: "/v2/app/tags/list?n=1"}}},
		{"u10", []call{{method: "GET", path: "/v2/app/referrers/" + image}}},
		{"u11", []call{{method: "GET", path: "/v2/_catalog"}, {method: "HEAD", path: "/v2/_catalog"}}},
		{"u12", []call{{method: "GET", path: "/metrics"}}},
		{"u13", []call{{method: "PATCH", path: session, body: "x"}}},
		{"u14", []call{{method: "GET", path: session}, {method: "HEAD", path: session}}},
		{"u15", []call{{method: "DELETE", path: session}}},
	} {
		for _, c := range tt.calls {
			t.Run(tt.who+" "+c.String(), func(t *testing.T) {
				c.auth = signIn(tt.who)
				w.do(c).is(t, http.StatusForbidden)
				c.auth = w.token(signIn(tt.who))
				w.do(c).is(t, http.StatusForbidden)
			})
		}
	}
	t.Run("a mount of what may not be pulled is none", func(t *testing.T) {
		w.do(call{method: "POST", path: "/v2/other/blobs/uploads/?from=app&mount=" + layer, auth: signIn("u4")}).is(t, http.StatusAccepted)
		w.get("/v2/other/blobs/"+layer, signIn("root")).is(t, http.StatusNotFound)
	})
	t.Run("what may not be listed is in no list", func(t *testing.T) {
		if r := w.get("/v2/_catalog", signIn("u9")).is(t, 200); r.body != `{"repositories":[]}` {
			t.Errorf("the catalog is %s", r.body)
		}
	})
	w.get("/v2/app/manifests/v1", signIn("root")).is(t, http.StatusOK)
	w.get(session, signIn("root")).is(t, http.StatusNoContent)
}

// TestThreatUploadOfAnotherTenant: the id of b's upload opens nothing to a, neither below a's names nor
// below b's.
func TestThreatUploadOfAnotherTenant(t *testing.T) {
	t.Parallel()
	for _, hide := range []string{"false", "true"} {
		w := newTenants(t, "")
		w = w.again(setup{config: strings.Replace(tenants, "policy: {", "policy: {hide_denied: "+hide+", ", 1), users: user(t, "a") + user(t, "b")})
		session := w.do(call{method: "POST", path: "/v2/b/blobs/uploads/", auth: signIn("b")}).is(t, 202).header.Get("Location")
		id := session[strings.LastIndex(session, "/")+1:]
		absent := strings.Map(func(r rune) rune {
			if r == 'a' || r == '1' {
				return 'b'
			}
			return r
		}, id)
		for _, c := range []call{
			{method: "GET", path: "/blobs/uploads/{id}"},
			{method: "HEAD", path: "/blobs/uploads/{id}"},
			{method: "PATCH", path: "/blobs/uploads/{id}", body: "wicked"},
			{method: "PATCH", path: "/blobs/uploads/{id}", body: "wicked", header: http.Header{"Content-Range": {"7-12"}}},
			{method: "PUT", path: "/blobs/uploads/{id}?digest=" + digestOf("")},
			{method: "PUT", path: "/blobs/uploads/{id}?digest=" + digestOf("wicked"), body: "wicked"},
			{method: "DELETE", path: "/blobs/uploads/{id}"},
		} {
			for _, ns := range []string{"a", "b"} {
				t.Run("hide "+hide+" "+ns+" "+c.String(), func(t *testing.T) {
					one, other := c, c
					one.auth, other.auth = signIn("a"), signIn("a")
					one.path = "/v2/" + ns + strings.ReplaceAll(c.path, "{id}", id)
					other.path = "/v2/" + ns + strings.ReplaceAll(c.path, "{id}", absent)
					got, want := w.do(one), w.do(other)
					if got.status < 400 {
						t.Errorf("status %d", got.status)
					}
					if x, y := got.as(id, "<id>"), want.as(absent, "<id>"); x != y {
						t.Errorf("of b's    %s\nof nobody %s", x, y)
					}
				})
			}
		}
		if r := w.get(session, signIn("b")).is(t, http.StatusNoContent); r.header.Get("Range") != "0-0" {
			t.Errorf("b's upload holds %s", r.header.Get("Range"))
		}
	}
}
