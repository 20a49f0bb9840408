// Package snapshot builds everything that one version of the config describes: the one room where
// all parts meet.
// It promises that Build creates and changes nothing outside the process, so that checking a config
// is Build and Close, and that what serve runs on was built the same way.
// It must not know any part's business, nor decide anything.
package snapshot

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/authz"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi"
	"github.com/sreg-project/sreg/internal/router"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/setting"
)

// Snapshot is what was built from one version of the config.
type Snapshot struct {
	// Handlers answer the requests of each listener, by its name.
	Handlers map[string]http.Handler
	// First is what the policies let a newcomer do.
	First httpapi.First
	*Core

	authorizer    *authz.Authorizer
	authenticator *authn.Authenticator
	signIns       signIns
}

// Build makes a snapshot, which borrows what outlives it. It opens what exists and creates nothing: Create does.
func Build(ctx context.Context, cfg *config.Config, shared *Shared) (*Snapshot, error) {
	core, err := OpenCore(ctx, cfg, shared)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Core: core}
	err = cfg.RefuseExposed()
	if err == nil {
		err = s.build(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(mistake(err), s.Close())
	}
	return s, nil
}

func (s *Snapshot) build(ctx context.Context, cfg *config.Config) error {
	if err := s.buildAuthorizer(cfg); err != nil {
		return err
	}
	var external *url.URL
	var err error
	if cfg.Server.ExternalURL != "" {
		if external, err = url.Parse(cfg.Server.ExternalURL); err != nil {
			return &setting.Error{Key: "server.external_url", Err: err}
		}
	}
	if err := s.buildAuthenticator(ctx, cfg, external); err != nil {
		return err
	}
	origins, err := router.NewOrigins(external, s.authorizer.Open)
	if err != nil {
		return &setting.Error{Key: "server.external_url", Err: err}
	}
	if s.shared.First != nil {
		s.First = s.shared.First(cfg)
	}
	s.Handlers = s.handlers(cfg, origins, httpapi.New(httpapi.Options{
		Resources: httpapi.Resources{
			Manifests: s.Registry, Blobs: s.Registry, Tags: s.Registry, Catalog: s.Registry, Content: s.Registry, Uploads: s.Registry,
			Ready: s.Registry.Ready,
		},
		SignIn:          s.signIns,
		Authorizer:      s.authorizer,
		MaxManifestSize: int64(cfg.Registry.MaxManifestSize),
		Draining:        s.shared.draining.Load,
		Logger:          s.shared.Logger,
		Gatherer:        s.shared.Metrics,
		Version:         s.shared.Version,
		ExternalURL:     external,
		First:           s.First,
	}))
	return nil
}

// handlers are those of all listeners, by their names.
func (s *Snapshot) handlers(cfg *config.Config, origins *router.Origins, api *httpapi.API) map[string]http.Handler {
	requests := router.New(router.Options{
		Authenticator: s.signIns,
		Authorizer:    s.authorizer,
		Origins:       origins,
		Logger:        s.shared.Logger,
		Audit:         s.audit(cfg),
		AccessLog:     cfg.Log.Access.Share(s.shared.OnTerminal),
		Metrics:       s.shared.metrics.requests,
		RatePerUser:   cfg.Server.Limits.RatePerUser,
		Readers:       cfg.Server.CORS.Origins,
		Path:          cfg.Server.ExternalPath(),
	})
	handlers := map[string]http.Handler{}
	for _, listener := range cfg.Server.Listeners {
		what := serves(cfg.Server.Listeners, listener)
		handlers[listener.Name] = requests.Handler(router.Listener{Tables: api.Tables(what), Admin: !what.API})
	}
	return handlers
}

// Prepare gets ready before the first request: it makes the keys of tokens and of what lies in Redis, and fetches those of
// providers.
func (s *Snapshot) Prepare(ctx context.Context) error {
	if err := s.unsealCaches(ctx); err != nil {
		return err
	}
	return s.authenticator.Prepare(ctx)
}

// trackPulls records pulls until ctx ends.
func (s *Snapshot) trackPulls(ctx context.Context) {
	s.Registry.TrackPulls(ctx, func(err error) {
		s.log.WarnContext(ctx, "pulls not recorded", "error", err)
	})
}

// expireUploads ends the uploads whose time is over.
func (s *Snapshot) expireUploads(ctx context.Context) {
	if s.config.Registry.ReadOnly {
		return
	}
	ended, err := s.Maintenance.ExpireUploads(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "uploads not expired", "error", err)
	}
	if ended > 0 {
		s.log.InfoContext(ctx, "uploads expired", "count", ended)
	}
}

// Close gives back what the snapshot borrowed, and ends what is its own. Its handlers must not be in use any
// more.
func (s *Snapshot) Close() error {
	s.shared.metrics.collector.Hide(s.Collector)
	return s.Core.Close()
}

// serves says what a listener answers. Those of the registry also answer health and metrics, unless there is a listener
// for these alone.
func serves(all []server.Listener, one server.Listener) httpapi.Serves {
	if len(one.Serves) > 0 {
		return httpapi.Serves{
			Health:  slices.Contains(one.Serves, "health"),
			Metrics: slices.Contains(one.Serves, "metrics"),
			Pprof:   slices.Contains(one.Serves, "pprof"),
		}
	}
	own := func(what string) bool {
		return !slices.ContainsFunc(all, func(l server.Listener) bool { return slices.Contains(l.Serves, what) })
	}
	return httpapi.Serves{API: true, Health: own("health"), Metrics: own("metrics")}
}
