// Package router takes each HTTP request to its handler: it gives the request an id, finds its route, asks
// who sends it and whether they may, shows errors, counts and logs.
// It promises that no handler sees a request that was not admitted, that each request is counted and logged
// once, also one whose answer breaks off, and that nothing hides io.ReaderFrom from a handler.
// It must not know what the routes are for, nor how their errors look: each table of routes says so.
package router

import (
	"cmp"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/ratelimit"
)

// Options are what a Router is made of.
type Options struct {
	// Authenticator and Authorizer are asked for every request.
	Authenticator Authenticator
	Authorizer    Authorizer
	// Origins are asked before them.
	Origins *Origins
	Logger  *slog.Logger
	// Audit gets one record for each sign-in that fails.
	Audit access.Audit
	// AccessLog is the share of requests that is logged, from 0 to 1.
	AccessLog float64
	Metrics   *Metrics
	// Readers are the origins, besides our own, whose pages may read.
	Readers []string
	// Path is where a proxy has put what is served here, such as /registry; empty is at the top. Nothing is served
	// elsewhere but direct routes.
	Path string
	// RatePerUser is how many requests a second one user may send; 0 = any number.
	RatePerUser float64
}

// Router routes requests. New makes one.
type Router struct {
	Options
	ids    requestIDs
	rates  *ratelimit.Limits[string] // of users
	bodies atomic.Int64              // what the bodies of requests take of memory
}

// New makes a Router.
func New(opts Options) *Router {
	opts.Logger = opts.Logger.With("module", "http")
	return &Router{Options: opts, ids: newRequestIDs(), rates: ratelimit.New[string](opts.RatePerUser)}
}

// Listener is what one listener serves.
type Listener struct {
	// Tables are looked through for the first one that has the path of a request. The last one answers for
	// the paths that none has.
	Tables []Table
	// Admin says that it serves no registry, only health, metrics and pprof.
	Admin bool
}

// Handler answers the requests of a listener.
func (rt *Router) Handler(l Listener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { rt.serve(w, r, &l) })
}

// exchange is a request and its response.
type exchange struct {
	response Response
	request  Request
	outcome  int // the status that is counted and logged
}

// serve is the way of every request: id, route, who asks and may they, handler, error, metrics, log.
func (rt *Router) serve(w http.ResponseWriter, r *http.Request, l *Listener) {
	// One allocation for all that a request needs here. A handler that panics has failed.
	x := &exchange{outcome: http.StatusInternalServerError}
	inside := true
	if !l.Admin { // that is not for proxies
		r, inside = below(r, rt.Path)
	}
	x.response.begin(w, r, &rt.bodies)
	x.request.begin(rt, r, rt.ids.next(), l.Admin)
	rt.Metrics.inFlight.Inc()
	defer rt.end(r, x, time.Now()) // also where an answer breaks off, which is a panic

	table, route, err := l.find(r, x.request.Request)
	if !inside && (err != nil || !route.Direct) {
		err = ErrOutside
	}
	x.response.setAll(table.Header)
	preflight := rt.share(&x.response, r, x.request.Action)
	if err != nil || !route.Lean || r.Header["X-Request-Id"] != nil {
		x.setUsual(table)
	}
	switch {
	case preflight:
		if err = rt.Origins.check(r); err == nil {
			x.response.WriteHeader(http.StatusNoContent)
		}
	case err == nil:
		err = rt.admit(r, &x.request, table)
	}
	if err == nil && !preflight {
		if route.Streams {
			x.response.body.stream()
		}
		err = route.Handle(&x.response, r, &x.request)
		var failed *access.SignInError
		if err != nil && errors.As(err, &failed) { // at the token service, whose credentials are its own
			err = cmp.Or(rt.recordFailed(r.Context(), &x.request, failed), err)
		}
	}
	// net/http must not wait for the rest of a body whose request was refused. It knows what to do, but only
	// with its own body.
	r.Body = x.response.body.from
	if err != nil {
		rt.fail(r, x, table, err)
		return
	}
	if x.response.Status == 0 { // the handler wrote nothing
		x.response.WriteHeader(http.StatusOK)
	}
	x.outcome = x.response.Status
}

// setUsual writes what every answer has but those of lean routes.
func (x *exchange) setUsual(table *Table) {
	transport := &x.request.Question.Transport
	x.response.Set("X-Request-Id", cmp.Or(transport.ClientRequestID, transport.RequestID))
	x.response.setAll(table.Usual)
}

// end counts and logs a request.
func (rt *Router) end(r *http.Request, x *exchange, begun time.Time) {
	x.response.body.end()
	rt.Metrics.inFlight.Dec()
	took := time.Since(begun)
	rt.Metrics.observe(x.request.Action, r.Method, x.outcome, took, x.response.body.bytes, x.response.bytes)
	if rt.AccessLog > 0 && (rt.AccessLog >= 1 || rand.Float64() < rt.AccessLog) {
		rt.logAccess(r, x, took)
	}
}
