package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
)

// readyPatience bounds how long the stores may take to show that they work.
const readyPatience = 5 * time.Second

var errNotReady = errors.New("not ready")

// healthz says that the process answers.
func (a *API) healthz(w *answer, _ *http.Request, _ *request) error {
	return writeJSON(w, []byte(`{"status":"ok"}`))
}

// readyz says whether requests should come here: not while the server drains, nor while a store does
// not answer. What is wrong is logged; anybody may ask, so the answer does not tell.
func (a *API) readyz(w *answer, r *http.Request, _ *request) error {
	if a.draining() {
		return fmt.Errorf("%w: shutting down", errNotReady)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
	defer cancel()
	if err := a.registry.Ready(ctx); err != nil {
		a.log.ErrorContext(ctx, "not ready", "error", err)
		return fmt.Errorf("%w: the store does not answer", errNotReady)
	}
	return writeJSON(w, []byte(`{"status":"ready"}`))
}

// exposeMetrics answers Prometheus.
func (a *API) exposeMetrics(w *answer, r *http.Request, _ *request) error {
	a.exposition.ServeHTTP(w, r)
	return nil
}

// profile answers go tool pprof, on a listener that asks for it.
func (a *API) profile(w *answer, r *http.Request, _ *request) error {
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
