// Package httpapi is the registry over HTTP: the OCI Distribution API, health, metrics and the page
// at the root.
// It promises that every answer has the spec's status, headers and error body, that a request is
// parsed once into an access.Request, and that no error tells more than a client may know.
// It must not know stores, sessions of people, or where it listens.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/router"
)

// Options are what an API is made of.
type Options struct {
	Resources
	SignIn     SignIn
	Authorizer Authorizer
	// MaxManifestSize is the most that is read of a manifest's body, in bytes.
	MaxManifestSize int64
	// Draining says that the server is shutting down, so that it is not ready any more.
	Draining func() bool
	Logger   *slog.Logger
	// Gatherer has the metrics that /metrics shows.
	Gatherer prometheus.Gatherer
	Version  string
	// ExternalURL is where people reach this registry, if that is not where they are.
	ExternalURL *url.URL
	// First is what the page at / suggests.
	First First
}

// First is what the policies let a newcomer do, as far as it is known before anybody asks.
type First struct {
	Namespace                 string // for an image of theirs; empty if nobody may push anything that is known
	Push, Pull, Tags, Catalog May
}

// May says who may do something.
type May int

// Who may do something.
const (
	Nobody May = iota
	SignedIn
	Anybody
)

// SignIn tells clients how to sign in.
type SignIn interface {
	// Challenge is the WWW-Authenticate header that tells a client how to sign in for a request. It is empty
	// where nobody can.
	Challenge(r *http.Request, req *access.Request) string
	// Token answers a request to the token service: a value for JSON.
	Token(r *http.Request) (token any, failed *access.SignInError, err error)
}

// Authorizer decides who may do what.
type Authorizer interface {
	router.Authorizer
	// MayList decides which entries of a listing are shown to who asks for it, in their order. When the time is over it
	// may leave out the last ones, but decides about one.
	MayList(ctx context.Context, q *access.Question, entries []oci.Name, until time.Time) []bool
}

// API answers requests. New makes one.
type API struct {
	Options
	path       string // where a proxy has put the registry, such as /registry
	exposition http.Handler
	bodies     *semaphore.Weighted // bytes of large manifests that are pushed
	pages      *semaphore.Weighted // bytes of large indexes that are sent
}

// New makes an API.
func New(opts Options) *API {
	if opts.Draining == nil {
		opts.Draining = func() bool { return false }
	}
	opts.Logger = opts.Logger.With("module", "http")
	path := ""
	if opts.ExternalURL != nil {
		path = strings.TrimSuffix(opts.ExternalURL.Path, "/")
	}
	return &API{
		Options: opts, path: path, exposition: promhttp.HandlerFor(opts.Gatherer, promhttp.HandlerOpts{}),
		bodies: semaphore.NewWeighted(bodiesAtOnce), pages: semaphore.NewWeighted(pagesAtOnce),
	}
}

// Serves says which groups of routes a listener answers.
type Serves struct {
	API     bool // everything under /v2/, the token service, and the root
	Health  bool
	Metrics bool
	Pprof   bool
}

// Tables are the routes of a listener.
func (a *API) Tables(serves Serves) []router.Table {
	tables := []router.Table{a.operation(serves)}
	if serves.API {
		tables = append(tables, a.distribution())
	}
	return tables
}
