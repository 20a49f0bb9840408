package snapshot_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// hidden is tenants where a denial looks as if nothing were there.
var hidden = strings.Replace(tenants, "policy: {", "policy: {hide_denied: true, ", 1)

// pokes are requests about a namespace, of what b has and of what nobody has.
func pokes(ns, digest, image, tag string) []call {
	put := putImage("", ns, tag, "a's")
	return []call{
		{method: "GET", path: "/v2/" + ns + "/tags/list"},
		{method: "GET", path: "/v2/" + ns + "/tags/list?n=0"},
		{method: "HEAD", path: "/v2/" + ns + "/tags/list"},
		{method: "GET", path: "/v2/" + ns + "/manifests/" + tag},
		{method: "HEAD", path: "/v2/" + ns + "/manifests/" + tag},
		{method: "GET", path: "/v2/" + ns + "/manifests/" + image},
		{method: "GET", path: "/v2/" + ns + "/manifests/" + image, header: http.Header{"If-None-Match": {"*"}}},
		{method: "DELETE", path: "/v2/" + ns + "/manifests/" + tag},
		{method: "DELETE", path: "/v2/" + ns + "/manifests/" + image},
		{method: "GET", path: "/v2/" + ns + "/blobs/" + digest},
		{method: "HEAD", path: "/v2/" + ns + "/blobs/" + digest},
		{method: "GET", path: "/v2/" + ns + "/blobs/" + digest, header: http.Header{"Range": {"bytes=0-1"}}},
		{method: "DELETE", path: "/v2/" + ns + "/blobs/" + digest},
		{method: "GET", path: "/v2/" + ns + "/referrers/" + image},
		{method: "GET", path: "/v2/" + ns + "/referrers/" + image + "?artifactType=x"},
		{method: "POST", path: "/v2/" + ns + "/blobs/uploads/"},
		{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?digest=" + digest, body: "x"},
		{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?mount=" + digest},
		{method: "POST", path: "/v2/" + ns + "/blobs/uploads/?from=a&mount=" + digest},
		{method: "GET", path: "/v2/" + ns + "/blobs/uploads/none"},
		{method: "PATCH", path: "/v2/" + ns + "/blobs/uploads/none", body: "x"},
		{method: "PUT", path: "/v2/" + ns + "/blobs/uploads/none?digest=" + digest},
		{method: "DELETE", path: "/v2/" + ns + "/blobs/uploads/none"},
		put,
	}
}

// TestThreatTellingWhatExists: whoever may not, hears the same about what is there and what is not,
// whether denials are hidden or not, signed in or not.
func TestThreatTellingWhatExists(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, config string
		statuses     []int // that may be answered
	}{
		{"forbidden", tenants, []int{403}},
		{"hidden", hidden, []int{404, 200}}, // what does not exist has an empty list of referrers
	} {
		w := newTenants(t, "")
		w.pushImage(signIn("root"), "b", "secret", "b's")
		w = w.again(setup{config: tt.config, users: user(t, "a") + user(t, "b")})
		there := pokes("b", digestOf("layer b's"), ocitest.Image("b's").Digest.String(), "secret")
		absent := pokes("c", digestOf("layer nobody's"), ocitest.Image("nobody's").Digest.String(), "public")
		for i := range there {
			t.Run(tt.name+" "+there[i].String(), func(t *testing.T) {
				for _, auth := range []string{signIn("a"), w.token(signIn("a"))} {
					there[i].auth, absent[i].auth = auth, auth
					got, want := w.do(there[i]), w.do(absent[i])
					if !slices.Contains(tt.statuses, got.status) || got.status == 200 && !strings.Contains(there[i].path, "/referrers/") {
						t.Errorf("status %d", got.status)
					}
					if x, y := got.as(` in b"`, ` in <ns>"`), want.as(` in c"`, ` in <ns>"`); x != y {
						t.Errorf("there  %s\nabsent %s", x, y)
					}
				}
				there[i].auth, absent[i].auth = "", ""
				got, want := w.do(there[i]).is(t, 401), w.do(absent[i])
				if x, y := got.as("repository:b:", "repository:<ns>:", ` in b"`, ` in <ns>"`), want.as("repository:c:", "repository:<ns>:", ` in c"`, ` in <ns>"`); x != y {
					t.Errorf("anonymous, there  %s\nanonymous, absent %s", x, y)
				}
			})
		}
	}
}

// TestThreatHiddenIsLikeAbsentWhereOneMay: a denial that is hidden is what who may read sees of what is not
// there.
func TestThreatHiddenIsLikeAbsentWhereOneMay(t *testing.T) {
	t.Parallel()
	w := newTenants(t, "")
	w = w.again(setup{config: hidden, users: user(t, "a") + user(t, "b")})
	denied := pokes("b", digestOf("layer b's"), ocitest.Image("b's").Digest.String(), "v1")
	allowed := pokes("a/none", digestOf("layer nobody's"), ocitest.Image("nobody's").Digest.String(), "v1")
	for i := range denied {
		if denied[i].method == "PUT" || denied[i].method == "POST" || strings.Contains(denied[i].path, "n=0") {
			continue // who may write there does
		}
		t.Run(denied[i].String(), func(t *testing.T) {
			denied[i].auth, allowed[i].auth = signIn("a"), signIn("a")
			if x, y := w.do(denied[i]).plain(), w.do(allowed[i]).plain(); x != y {
				t.Errorf("hidden %s\nabsent %s", x, y)
			}
		})
	}
}

// TestThreatTellingByTime: who may not waits as long for what is there as for what is not. The two are
// measured in turns, so that what slows the machine slows both.
func TestThreatTellingByTime(t *testing.T) {
	w := newTenants(t, "")
	w = w.again(setup{config: hidden, users: user(t, "a") + user(t, "b")})
	auth := w.token(signIn("a"))
	for _, tt := range []struct{ name, there, absent string }{
		{"a blob of another", "/v2/b/blobs/" + digestOf("layer b's"), "/v2/c/blobs/" + digestOf("layer nobody's")},
		{"a manifest of another", "/v2/b/manifests/v1", "/v2/c/manifests/v1"},
		{"tags of another", "/v2/b/tags/list", "/v2/c/tags/list"},
		{"a blob of another in one's own", "/v2/a/blobs/" + digestOf("layer b's"), "/v2/a/blobs/" + digestOf("layer nobody's")},
	} {
		const rounds = 400
		var there, absent []time.Duration
		clock := func(path string) time.Duration {
			begun := time.Now()
			w.get(path, auth).is(t, http.StatusNotFound)
			return time.Since(begun)
		}
		for range rounds {
			there, absent = append(there, clock(tt.there)), append(absent, clock(tt.absent))
		}
		ratio := float64(median(there)) / float64(median(absent))
		t.Logf("%s: %v and %v, ratio %.3f", tt.name, median(there), median(absent), ratio)
		if ratio < 0.7 || ratio > 1.4 {
			t.Errorf("%s: what is there takes %.2f times as long as what is not", tt.name, ratio)
		}
	}
}

func median(of []time.Duration) time.Duration {
	slices.Sort(of)
	return of[len(of)/2]
}

// TestThreatHiddenNamesInTheCatalog: no parameter makes the catalog tell how many names there are that one
// may not see, nor where.
func TestThreatHiddenNamesInTheCatalog(t *testing.T) {
	t.Parallel()
	config := strings.Replace(hidden, "rules: [", "rules: [{name: catalog, expr: \"request.action == 'list-catalog'\"}, ", 1)
	users := user(t, "a") + user(t, "m") + user(t, "root")
	few, many := newWorld(t, setup{config: config, users: users}), newWorld(t, setup{config: config, users: users})
	for _, w := range []*world{few, many} {
		w.pushImage(signIn("root"), "m/one", "v1", "x")
		w.pushImage(signIn("root"), "m/two", "v1", "x")
	}
	for _, ns := range []string{"c", "d/secret", "m-n", "z/1", "z/2"} {
		many.pushImage(signIn("root"), ns, "v1", "x")
	}
	for _, path := range []string{
		"", "?n=1", "?n=2", "?n=3", "?last=a", "?last=d/s&n=1", "?last=m/one", "?last=m/one&n=1", "?last=m/two&n=1", "?last=y&n=1",
		"?skip=1", "?skip=2&n=1", "?skip=3&n=1", "?skip=4&n=2", "?skip=1&last=m/two", "?skip=99999", "?skip=-1", "?last=m/one&skip=1&n=1",
	} {
		for _, who := range []string{"m", "a"} {
			got, want := many.get("/v2/_catalog"+path, signIn(who)), few.get("/v2/_catalog"+path, signIn(who))
			if x, y := got.plain(), want.plain(); x != y {
				t.Errorf("%s asks for %q:\nwith hidden names %s\nwithout           %s", who, path, x, y)
			}
		}
	}
	if r := many.get("/v2/_catalog", signIn("m")); r.body != `{"repositories":["m/one","m/two"]}` {
		t.Errorf("m's catalog is %s", r.body)
	}
}

// TestThreatHiddenNamesBetweenOthers: the link of a page leads on from the last name that it shows, not from the one that
// it has come to.
func TestThreatHiddenNamesBetweenOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{users: user(t, "a") + user(t, "root"), config: `
policy:
  rules:
    - identity.username == 'root' || request.action == 'list-catalog'
    - request.action == 'list-tags' && request.namespace in ['one', 'two']
`})
	for _, ns := range []string{"one", "secret", "two"} {
		w.pushImage(signIn("root"), ns, "v1", "x")
	}
	r := w.get("/v2/_catalog?n=1", signIn("a")).is(t, http.StatusOK)
	if link := r.header.Get("Link"); r.body != `{"repositories":["one"]}` || link != `</v2/_catalog?n=1&last=one>; rel="next"` {
		t.Errorf("got %s and link %q, want one and a link from there", r.body, link)
	}
}

// TestThreatHiddenNamesInALink: a page passes 10,000 names that are not shown, and then its link leads on
// from one of them. The link does not tell which.
func TestThreatHiddenNamesInALink(t *testing.T) {
	t.Parallel()
	config := strings.Replace(hidden, "rules: [", "rules: [{name: catalog, expr: \"request.action == 'list-catalog'\"}, ", 1)
	w := newWorld(t, setup{config: config, users: user(t, "z") + user(t, "a")})
	w.pushImage(signIn("z"), "z/one", "v1", "x")
	for i := range 10_005 {
		write(t, filepath.Join(w.root, "_namespaces"), fmt.Sprintf("secret%05d", i), "")
	}
	auth := w.token(signIn("z"))
	first := w.get("/v2/_catalog?n=7", auth).is(t, http.StatusOK)
	link := first.header.Get("Link")
	next, ok := strings.CutPrefix(strings.TrimSuffix(link, `>; rel="next"`), "<")
	if !ok || first.body != `{"repositories":[]}` || strings.Contains(link, "secret") || !strings.HasPrefix(next, "/v2/_catalog?n=7&next=") {
		t.Fatalf("the first page is %s, its link %q", first.body, link)
	}
	if r := w.get(next, auth).is(t, http.StatusOK); r.body != `{"repositories":["z/one"]}` || r.header.Get("Link") != "" {
		t.Errorf("the second page is %s, its link %q", r.body, r.header.Get("Link"))
	}
	if r := w.again(setup{config: config, users: user(t, "z")}).get(next, signIn("z")).is(t, http.StatusOK); r.body != `{"repositories":["z/one"]}` {
		t.Errorf("the second page after a restart is %s", r.body)
	}
	if other := w.get("/v2/_catalog?n=7&last=a", auth).header.Get("Link"); len(other) != len(link) || other == link {
		t.Errorf("links are %q and %q, want them to differ and not in length", link, other)
	}
	for name, wrong := range map[string]string{"changed": next[:len(next)-9] + "AAAAAAAAA", "short": "/v2/_catalog?n=7&next=AAAA", "no base64": "/v2/_catalog?n=7&next=!"} {
		if r := w.get(wrong, auth).is(t, http.StatusBadRequest); r.code() != "PAGINATION_NUMBER_INVALID" {
			t.Errorf("a link that is %s: %s", name, r.body)
		}
	}
}

// TestThreatHiddenNamesThatAWebhookHides: where the policies allow all, the catalog shows what the webhook lets one list.
// It is asked about each entry, and by nobody's answer for somebody else.
func TestThreatHiddenNamesThatAWebhookHides(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hidden := strings.HasPrefix(r.Header.Get("X-Registry-Namespace"), "secret") && r.Header.Get("X-Registry-Username") != "root"
		if hidden {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(endpoint.Close)
	w := newWorld(t, setup{users: user(t, "a") + user(t, "root"), config: fmt.Sprintf(`
policy: {rules: [identity.username != null], webhook: guard}
webhooks: [{name: guard, url: %q, method: get, cache_ttl: 1h}]
`, endpoint.URL)})
	for _, ns := range []string{"one", "secret/app", "two"} {
		w.pushImage(signIn("root"), ns, "v1", "x")
	}
	const all, shown = `{"repositories":["one","secret/app","two"]}`, `{"repositories":["one","two"]}`
	for _, step := range []struct{ who, want string }{{"root", all}, {"a", shown}, {"root", all}, {"a", shown}} {
		if r := w.get("/v2/_catalog", signIn(step.who)).is(t, http.StatusOK); r.body != step.want {
			t.Errorf("the catalog of %s is %s, want %s", step.who, r.body, step.want)
		}
	}
	if r := w.get("/v2/_catalog?n=1&last=one", signIn("a")).is(t, http.StatusOK); r.body != `{"repositories":["two"]}` {
		t.Errorf("the page behind one is %s, want that of two", r.body)
	}
	w.get("/v2/secret/app/tags/list", signIn("a")).is(t, http.StatusForbidden)
}
