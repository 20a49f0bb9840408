// Package httpapi is the registry over HTTP: the OCI Distribution API, health, metrics and the page
// at the root.
// It promises that every answer has the spec's status, headers and error body, that a request is
// parsed once into an access.Request, and that no error tells more than a client may know.
// It must not know stores, sessions of people, or where it listens.
package httpapi

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sreg-project/sreg/internal/registry"
)

// Options are what an API is made of.
type Options struct {
	Registry *registry.Registry
	// Authenticator and Authorizer are asked for every request.
	Authenticator Authenticator
	Authorizer    Authorizer
	// MaxManifestSize is the most that is read of a manifest's body, in bytes.
	MaxManifestSize int64
	// Draining says that the server is shutting down, so that it is not ready any more.
	Draining func() bool
	Logger   *slog.Logger
	// AccessLog is the share of requests that is logged, from 0 to 1.
	AccessLog float64
	Metrics   *Metrics
	// Gatherer has the metrics that /metrics shows.
	Gatherer prometheus.Gatherer
	Version  string
	// ExternalURL is where people reach this registry, if that is not where they are.
	ExternalURL *url.URL
}

// API answers requests. New makes one.
type API struct {
	registry        *registry.Registry
	authenticator   Authenticator
	authorizer      Authorizer
	maxManifestSize int64
	draining        func() bool
	log             *slog.Logger
	accessLog       float64
	metrics         *Metrics
	exposition      http.Handler
	version         string
	externalURL     *url.URL
	ids             requestIDs
}

// New makes an API.
func New(opts Options) *API {
	if opts.Draining == nil {
		opts.Draining = func() bool { return false }
	}
	return &API{
		registry:        opts.Registry,
		authenticator:   opts.Authenticator,
		authorizer:      opts.Authorizer,
		maxManifestSize: opts.MaxManifestSize,
		draining:        opts.Draining,
		log:             opts.Logger.With("module", "http"),
		accessLog:       opts.AccessLog,
		metrics:         opts.Metrics,
		exposition:      promhttp.HandlerFor(opts.Gatherer, promhttp.HandlerOpts{}),
		version:         opts.Version,
		externalURL:     opts.ExternalURL,
		ids:             newRequestIDs(),
	}
}

// handler answers one request. It writes success, and returns errors instead of writing them.
type handler func(a *API, w *answer, r *http.Request, req *request) error

// Handler answers the routes that a listener serves.
func (a *API) Handler(serves Serves) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, serves) })
}

// exchange is a request and its answer.
type exchange struct {
	answer  answer
	request request
}

// serve is the way of every request: id, route, who asks and may they, handler, error, metrics, log.
func (a *API) serve(w http.ResponseWriter, r *http.Request, serves Serves) {
	begun := time.Now()
	id := a.ids.of(r)
	var x exchange // one allocation for all that a request needs here
	out, req := &x.answer, &x.request
	out.begin(w, r)
	req.begin(r)
	out.set("X-Request-Id", id)

	a.metrics.inFlight.Inc()
	defer a.metrics.inFlight.Dec()
	route, err := a.route(r, serves, req.Request)
	if err == nil {
		err = a.admit(r, req, id, serves)
	}
	if err == nil {
		err = route.handle(a, out, r, req)
	}
	// The server knows what to do with a body that was not read to its end, but only its own one: it
	// must not wait for bytes that a client which was refused never sends.
	r.Body = out.body.from
	if err != nil {
		a.fail(out, r, req, id, err)
	}
	out.finish()

	took := time.Since(begun)
	a.metrics.observe(req.Action, r.Method, out.status, took, out.body.bytes, out.bytes)
	if a.accessLog > 0 && (a.accessLog >= 1 || rand.Float64() < a.accessLog) {
		a.logAccess(r, req, id, out, took)
	}
}

func (a *API) logAccess(r *http.Request, req *request, id string, out *answer, took time.Duration) {
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", id),
		slog.String("client", clientOf(r, req)),
		slog.String("username", req.by()),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("action", string(req.Action)),
		slog.String("namespace", req.Namespace.String()),
		slog.Int("status", out.status),
		slog.Int64("bytes_in", out.body.bytes),
		slog.Int64("bytes_out", out.bytes),
		slog.Duration("duration", took),
		slog.String("user_agent", r.UserAgent()),
	)
}

// clientOf is the address that authentication found, or that of the connection if it was not asked.
func clientOf(r *http.Request, req *request) string {
	if req.question.Identity.ClientIP.IsValid() {
		return req.question.Identity.ClientIP.String()
	}
	return r.RemoteAddr
}
