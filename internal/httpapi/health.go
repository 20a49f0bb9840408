package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/router"
)

// readyTimeout is how long the stores may take to show that they work.
const readyTimeout = 5 * time.Second

var errNotReady = errors.New("not ready")

// What the paths beside the registry name.
const (
	healthzResource router.Resource = iota + 1
	readyzResource
	metricsResource
	pprofResource
)

// operation are the routes for those who operate a registry.
func (a *API) operation(serves Serves) router.Table {
	return router.Table{
		Routes: []router.Route{
			{Resource: healthzResource, Method: http.MethodGet, Action: access.Healthz, Handle: a.healthz, Direct: true},
			{Resource: readyzResource, Method: http.MethodGet, Action: access.Readyz, Handle: a.readyz, Direct: true},
			{Resource: metricsResource, Method: http.MethodGet, Action: access.Metrics, Handle: a.exposeMetrics, Direct: true},
			{Resource: pprofResource, Method: http.MethodGet, Action: access.Pprof, Handle: a.profile},
		},
		Split:    serves.splitOperation,
		Parse:    func(*http.Request, router.Path, *access.Request) error { return nil },
		Denied:   a.denied,
		Describe: a.describe,
	}
}

func (s Serves) splitOperation(r *http.Request) (path router.Path, found bool) {
	switch {
	case s.Health && (r.URL.Path == "/healthz" || r.URL.Path == "/health"):
		path.Resource = healthzResource
	case s.Health && r.URL.Path == "/readyz":
		path.Resource = readyzResource
	case s.Metrics && r.URL.Path == "/metrics":
		path.Resource = metricsResource
	case s.Pprof && strings.HasPrefix(r.URL.Path, "/debug/pprof/"):
		path.Resource = pprofResource
	}
	return path, path.Resource != 0
}

// healthz says that the process answers.
func (a *API) healthz(w *router.Response, _ *http.Request, _ *router.Request) error {
	return writeJSON(w, []byte(`{"status":"ok"}`))
}

// readyz says whether requests should be sent here: not while the server shuts down, nor while a store does
// not answer. Anybody may ask, so only the log says what is wrong.
func (a *API) readyz(w *router.Response, r *http.Request, _ *router.Request) error {
	if a.Draining() {
		return fmt.Errorf("%w: shutting down", errNotReady)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.Ready(ctx); err != nil {
		a.Logger.ErrorContext(ctx, "not ready", "error", err)
		return fmt.Errorf("%w: %s", errNotReady, unreadiness(err))
	}
	return writeJSON(w, []byte(`{"status":"ready"}`))
}

// unreadiness is what anybody may know of why.
func unreadiness(err error) string {
	switch {
	case errors.Is(err, registry.ErrNoSpace):
		return "the store has no space left for pushes"
	case errors.Is(err, registry.ErrNotWritable):
		return "the store takes no writes"
	}
	return "the store does not answer"
}

// exposeMetrics answers Prometheus.
func (a *API) exposeMetrics(w *router.Response, r *http.Request, _ *router.Request) error {
	a.exposition.ServeHTTP(w, r)
	return nil
}

// profile answers go tool pprof, on a listener that asks for it.
func (a *API) profile(w *router.Response, r *http.Request, _ *router.Request) error {
	switch strings.TrimPrefix(r.URL.Path, "/debug/pprof/") {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
	return nil
}
