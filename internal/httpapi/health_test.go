package httpapi_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// deaf is a Store that does not answer.
type deaf struct{ storage.Store }

func newDeaf(s storage.Store) storage.Store { return deaf{s} }

var errDeaf = errors.New("secret-path/of/the/store: input/output error")

func (deaf) Probe(context.Context) error { return errDeaf }

func TestHealth(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	for _, path := range []string{"/healthz", "/health"} {
		f.get(path).wants(t, want{status: 200, body: `{"status":"ok"}`})
	}
	ready := want{status: 200, body: `{"status":"ready"}`}
	notReady := want{status: 503, code: oci.CodeUnavailable, header: map[string]string{"Retry-After": "1"}}
	f.get("/readyz").wants(t, ready)

	off := f.again(settings{wrap: newDeaf})
	a := off.get("/readyz")
	a.wants(t, notReady)
	if strings.Contains(a.body, "secret-path") || !strings.Contains(off.logs.String(), "secret-path") {
		t.Errorf("what is wrong belongs in the log alone; body %s", a.body)
	}
	off.get("/healthz").wants(t, want{status: 200})

	f.draining.Store(true)
	f.get("/readyz").wants(t, notReady)
	f.get("/healthz").wants(t, want{status: 200})
}

func TestAReadOnlyRegistryIsReadyWithoutAWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	f = f.again(settings{
		config: func(c *registry.Config) { c.ReadOnly = true },
		wrap:   newDeaf,
	})
	f.get("/readyz").wants(t, want{status: 200})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, settings{})
	f.pushImage("app", "a", "v1")
	f.get("/v2/app/manifests/v1").wants(t, want{status: 200})
	f.head("/v2/app/manifests/none").wants(t, want{status: 404})
	f.get("/nowhere/"+unknown).wants(t, want{status: 404})
	f.do(call{method: "BREW", path: "/v2/app/manifests/v1"}).wants(t, want{status: 405})
	text := f.get("/metrics").body
	for _, line := range []string{
		`sreg_http_requests_total{action="get-manifest",method="GET",status="200"} 1`,
		`sreg_http_requests_total{action="get-manifest",method="HEAD",status="404"} 1`,
		`sreg_http_requests_total{action="put-manifest",method="PUT",status="201"} 1`,
		`sreg_http_requests_total{action="start-upload",method="POST",status="202"} 2`,
		`sreg_http_requests_total{action="complete-upload",method="PUT",status="201"} 2`,
		`sreg_http_requests_total{action="none",method="GET",status="404"} 1`,
		`sreg_http_requests_total{action="none",method="other",status="405"} 1`,
		`sreg_http_request_duration_seconds_count{action="get-manifest"} 2`,
		`sreg_http_requests_in_flight 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
	for _, direction := range []string{"received", "sent"} {
		if !regexp.MustCompile(`sreg_http_bytes_total\{direction="` + direction + `"\} [1-9]`).MatchString(text) {
			t.Errorf("no bytes were %s", direction)
		}
	}
	if strings.Contains(text, "app") || strings.Contains(text, unknown) {
		t.Error("a client's words became labels")
	}
}
