package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/router"
)

// stranger is an Authenticator that finds somebody without rights, and counts how often it is asked.
type stranger struct{ asked int }

func (s *stranger) Authenticate(*http.Request) (access.Identity, access.SignIn, error) {
	s.asked++
	return access.Identity{ID: "stranger", Username: "stranger", ClientIP: netip.MustParseAddr("192.0.2.1")}, access.SignIn{}, nil
}
func (*stranger) Challenge(*http.Request, *access.Request) string { return "" }
func (*stranger) Secure(*http.Request) bool                       { return false }
func (*stranger) Token(*http.Request) (any, *access.SignInError, error) {
	return nil, nil, access.ErrNoTokens
}

// denier is an Authorizer that records what it is asked, and denies it.
type denier struct{ asked []access.Question }

func (d *denier) Authorize(_ context.Context, q *access.Question) access.Decision {
	d.asked = append(d.asked, *q)
	return access.Decision{Denial: access.Forbidden, Asked: q.Request}
}

func (*denier) MayList(_ context.Context, _ *access.Question, entries []oci.Name, _ time.Time) []bool {
	return make([]bool, len(entries))
}

// examples is a path of each action.
var examples = map[access.Action]string{
	access.Root:           "/",
	access.GetAPIVersion:  "/v2/",
	access.ListCatalog:    "/v2/_catalog",
	access.ListTags:       "/v2/app/tags/list",
	access.GetManifest:    "/v2/app/manifests/v1",
	access.PutManifest:    "/v2/app/manifests/v1",
	access.DeleteManifest: "/v2/app/manifests/v1",
	access.GetBlob:        "/v2/app/blobs/sha256:" + strings.Repeat("0", 64),
	access.DeleteBlob:     "/v2/app/blobs/sha256:" + strings.Repeat("0", 64),
	access.StartUpload:    "/v2/app/blobs/uploads/",
	access.GetUpload:      "/v2/app/blobs/uploads/id",
	access.UpdateUpload:   "/v2/app/blobs/uploads/id",
	access.CompleteUpload: "/v2/app/blobs/uploads/id?digest=sha256:" + strings.Repeat("0", 64),
	access.CancelUpload:   "/v2/app/blobs/uploads/id",
	access.GetReferrers:   "/v2/app/referrers/sha256:" + strings.Repeat("0", 64),
	access.GetToken:       "/token",
	access.Healthz:        "/healthz",
	access.Readyz:         "/readyz",
	access.Metrics:        "/metrics",
	access.Pprof:          "/debug/pprof/cmdline",
}

var everyRoute = Serves{API: true, Health: true, Metrics: true, Pprof: true}

// routes are those of all tables.
func routes() (all []router.Route) {
	for _, table := range newAPI(nil, nil).Tables(everyRoute) {
		all = append(all, table.Routes...)
	}
	return all
}

// anybody are the actions that have no use for who asks. The Authorizer is asked about them all the same: it
// alone knows what is never denied.
var anybody = map[access.Action]bool{access.GetToken: true, access.Healthz: true, access.Readyz: true}

// TestEveryRouteIsAsked walks the route table with somebody who may do nothing. The handlers have no
// registry: whoever comes through to one that needs it, panics.
func TestEveryRouteIsAsked(t *testing.T) {
	t.Parallel()
	for _, route := range routes() {
		methods := []string{route.Method}
		if route.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			t.Run(fmt.Sprintf("%s %s", method, route.Action), func(t *testing.T) {
				t.Parallel()
				who, may := &stranger{}, &denier{}
				w := walk(t, who, may, method, examples[route.Action])
				known := 1
				if anybody[route.Action] {
					known = 0
				}
				if who.asked != known || len(may.asked) != 1 {
					t.Fatalf("who asks was found out %d times, and %d questions were put; want %d and 1", who.asked, len(may.asked), known)
				}
				q := may.asked[0]
				if route.Action == "" || q.Request.Action != route.Action || q.Request.Method != method || (q.Identity.ID == "stranger") == anybody[route.Action] || q.Transport.RequestID == "" {
					t.Errorf("the question is %+v, want one about %s", q, route.Action)
				}
				if w.Code != http.StatusForbidden {
					t.Errorf("status %d, want 403", w.Code)
				}
			})
		}
	}
}

// TestEveryPathOfAPOSTIsAsked: a mount and a whole blob have actions of their own.
func TestEveryPathOfAPOSTIsAsked(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0", 64)
	for query, action := range map[string]access.Action{
		"?digest=" + digest: access.StartUpload, "?mount=" + digest: access.MountBlob, "?mount=" + digest + "&from=other": access.MountBlob,
		"?mount=&digest=" + digest: access.StartUpload, "?mount=" + digest + "&digest=" + digest: access.MountBlob,
	} {
		may := &denier{}
		if w := walk(t, &stranger{}, may, http.MethodPost, examples[access.StartUpload]+query); w.Code != http.StatusForbidden || len(may.asked) != 1 || may.asked[0].Request.Action != action {
			t.Errorf("%s: status %d, questions %+v, want one about %s", query, w.Code, may.asked, action)
		}
	}
}

func walk(t *testing.T, who *stranger, may Authorizer, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	if path == "" {
		t.Fatal("the action has no example")
	}
	w := httptest.NewRecorder()
	handler := newHandler(newAPI(who, may), who, may)
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	return w
}

func newAPI(who SignIn, may Authorizer) *API {
	return New(Options{SignIn: who, Authorizer: may, Logger: slog.New(slog.DiscardHandler), Gatherer: prometheus.NewRegistry()})
}

func newHandler(api *API, who router.Authenticator, may Authorizer) http.Handler {
	return router.New(router.Options{
		Origins:       &router.Origins{},
		Authenticator: who, Authorizer: may, Logger: slog.New(slog.DiscardHandler), Metrics: router.NewMetrics(prometheus.NewRegistry()),
	}).Handler(router.Listener{Tables: api.Tables(everyRoute)})
}

// FuzzPath: no path and no query panics, what is parsed has only values that are whole, and its own
// path leads to the same again.
func FuzzPath(f *testing.F) {
	digest := oci.DigestOf(oci.SHA256, nil).String()
	for _, path := range []string{
		"/", "", "/v2/", "/v2", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/b/manifests/v1", "/v2/a/manifests/" + digest, "/v2/a/blobs/" + digest,
		"/v2/a/blobs/uploads/", "/v2/a/blobs/uploads", "/v2/a/blobs/uploads/id", "/v2/a/referrers/" + digest, "/v2//tags/list", "/v2/%2f/manifests/x",
		"/v2/blobs/uploads/blobs/uploads/", "/metrics", "/healthz",
	} {
		for _, method := range []string{"GET", "PUT", "POST", "PATCH", "DELETE"} {
			f.Add(method, path, "n=1&last=a&tag=x&digest="+digest+"&mount="+digest+"&from=a&artifactType=t")
		}
	}
	api := newAPI(nil, &denier{})
	f.Fuzz(func(t *testing.T, method, path, rawQuery string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: rawQuery}, Header: http.Header{}}
		req, routed := routeOf(r)
		if !routed {
			return
		}
		at, found := split(r)
		if _, elsewhere := api.operation(everyRoute).Split(r); elsewhere {
			return
		}
		if !found {
			t.Fatalf("%s %q is routed and not split", method, path)
		}
		if named := at.Resource >= tagsResource && at.Resource <= referrersResource; named == req.Namespace.IsZero() {
			t.Errorf("%s %q has the namespace %q", method, path, req.Namespace)
		}
		if req.Action == "" || at.Resource == manifestResource && req.Reference.IsZero() {
			t.Errorf("%s %q is %+v", method, path, req)
		}
		rebuilt := rebuild(at)
		if rebuilt == "" {
			return
		}
		r.URL = &url.URL{Path: rebuilt, RawQuery: rawQuery}
		again, routed := routeOf(r)
		if !routed || fmt.Sprint(again) != fmt.Sprint(req) {
			t.Errorf("%s %q is %+v, and %q is %+v", method, path, req, rebuilt, again)
		}
	})
}

// routeOf is what authorization is asked about a request; false if it comes to no route.
func routeOf(r *http.Request) (access.Request, bool) {
	may := &denier{}
	newHandler(newAPI(&stranger{}, may), &stranger{}, may).ServeHTTP(httptest.NewRecorder(), r)
	if len(may.asked) == 0 {
		return access.Request{}, false
	}
	return may.asked[0].Request, true
}

// rebuild writes the path that was split.
func rebuild(at router.Path) string {
	kinds := map[router.Resource]string{
		tagsResource: "/tags/list", manifestResource: "/manifests/", blobResource: "/blobs/", uploadsResource: "/blobs/uploads/",
		uploadResource: "/blobs/uploads/", referrersResource: "/referrers/",
	}
	kind, named := kinds[at.Resource]
	if !named {
		return ""
	}
	return strings.Join([]string{"/v2/", at.Namespace, kind, at.Last}, "")
}

func readAPIPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestEveryRouteIsDocumented compares docs/api.md with the route table. A mount is a start-upload
// until its query has been read.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	type line struct {
		method string
		action access.Action
	}
	there := map[line]bool{{http.MethodPost, access.MountBlob}: true}
	for _, route := range routes() {
		there[line{route.Method, route.Action}] = true
	}
	documented := map[line]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z]+)` \\| [^|]+ \\| `([a-z-]+)` \\|").FindAllStringSubmatch(readAPIPage(t), -1) {
		l := line{row[1], access.Action(row[2])}
		documented[l] = true
		if !there[l] {
			t.Errorf("docs/api.md has %s %s, which is no route", l.method, l.action)
		}
	}
	for l := range there {
		if !documented[l] {
			t.Errorf("%s %s is not in docs/api.md", l.method, l.action)
		}
	}
}
