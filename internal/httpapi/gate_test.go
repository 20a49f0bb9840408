package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// stranger is an Authenticator that finds somebody without rights, and counts how often it is asked.
type stranger struct{ asked int }

func (s *stranger) Authenticate(*http.Request) (access.Identity, access.SignIn, error) {
	s.asked++
	return access.Identity{ID: "stranger", Username: "stranger", ClientIP: netip.MustParseAddr("192.0.2.1")}, access.SignIn{}, nil
}
func (*stranger) Challenge(*http.Request, *access.Request) string { return "" }
func (*stranger) Secure(*http.Request) bool                       { return false }
func (*stranger) Token(*http.Request) (any, error)                { return nil, access.ErrNoTokens }

// denier is an Authorizer that records what it is asked, and denies it.
type denier struct{ asked []access.Question }

func (d *denier) Authorize(_ context.Context, q *access.Question) access.Decision {
	d.asked = append(d.asked, *q)
	return access.Decision{Denial: access.Forbidden, Asked: q.Request}
}
func (*denier) MayList(context.Context, *access.Question, oci.Name) bool { return false }

// examples is a path of each resource.
var examples = map[resource]string{
	rootResource:      "/",
	versionResource:   "/v2/",
	catalogResource:   "/v2/_catalog",
	tagsResource:      "/v2/app/tags/list",
	manifestResource:  "/v2/app/manifests/v1",
	blobResource:      "/v2/app/blobs/sha256:" + strings.Repeat("0", 64),
	uploadsResource:   "/v2/app/blobs/uploads/",
	uploadResource:    "/v2/app/blobs/uploads/id?digest=sha256:" + strings.Repeat("0", 64),
	referrersResource: "/v2/app/referrers/sha256:" + strings.Repeat("0", 64),
	tokenResource:     "/token",
	healthzResource:   "/healthz",
	readyzResource:    "/readyz",
	metricsResource:   "/metrics",
	pprofResource:     "/debug/pprof/cmdline",
}

// anybody are the actions that have no use for who asks. The Authorizer is asked about them all the same: it
// alone knows what is never denied. Only the version check has edges of its own.
var anybody = map[access.Action]bool{access.GetToken: true, access.Healthz: true, access.Readyz: true}

// TestEveryRouteIsAsked walks the route table with somebody who may do nothing. The handlers have no
// registry: whoever comes through to one that needs it, panics.
func TestEveryRouteIsAsked(t *testing.T) {
	t.Parallel()
	for _, route := range routes {
		methods := []string{route.method}
		if route.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			t.Run(fmt.Sprintf("%s %s", method, route.action), func(t *testing.T) {
				t.Parallel()
				who, may := &stranger{}, &denier{}
				w := walk(t, who, may, method, examples[route.resource])
				known, questions := 1, 1
				if anybody[route.action] {
					known = 0
				}
				if route.action == access.GetAPIVersion {
					questions = 0
				}
				if who.asked != known || len(may.asked) != questions {
					t.Fatalf("who asks was found out %d times, and %d questions were put; want %d and %d", who.asked, len(may.asked), known, questions)
				}
				if questions == 0 {
					return
				}
				q := may.asked[0]
				if route.action == "" || q.Request.Action != route.action || q.Request.Method != method || (q.Identity.ID == "stranger") == anybody[route.action] || q.Transport.RequestID == "" {
					t.Errorf("the question is %+v, want one about %s", q, route.action)
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
		if w := walk(t, &stranger{}, may, http.MethodPost, examples[uploadsResource]+query); w.Code != http.StatusForbidden || len(may.asked) != 1 || may.asked[0].Request.Action != action {
			t.Errorf("%s: status %d, questions %+v, want one about %s", query, w.Code, may.asked, action)
		}
	}
}

func walk(t *testing.T, who Authenticator, may Authorizer, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	if path == "" {
		t.Fatal("the resource has no example")
	}
	metrics := prometheus.NewRegistry()
	api := New(Options{
		Authenticator: who, Authorizer: may, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(metrics), Gatherer: metrics,
	})
	w := httptest.NewRecorder()
	handler := api.Handler(Serves{API: true, Health: true, Metrics: true, Pprof: true})
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	return w
}
