package snapshot

import (
	"errors"
	"log/slog"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/cache"
	cachememory "github.com/sreg-project/sreg/internal/cache/memory"
	cacheredis "github.com/sreg-project/sreg/internal/cache/redis"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/lock"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	lockredis "github.com/sreg-project/sreg/internal/lock/redis"
	"github.com/sreg-project/sreg/internal/redisclient"
)

// commons is what several instances have together beside the stores, or one has for itself.
type commons struct {
	locks lock.Locker
	// near is a cache of this instance, and all that all instances have, which is near where nothing else
	// is configured.
	near, all cache.Cache
	// signIns is what sign-ins have of it, nothing where there is one instance.
	signIns authn.Shared

	closers []func() error // in the order in which they are called
}

// open makes them. It connects to nobody.
func (s *commons) open(cfg *config.Config, log *slog.Logger) error {
	s.near = cachememory.New(cfg.Cache.Size)
	s.locks, s.all = lockmemory.New(), s.near
	if cfg.Locks.Type != "redis" && cfg.Cache.Type != "redis" {
		return nil
	}
	client, err := redisclient.New(cfg.Redis)
	if err != nil {
		return err
	}
	if cfg.Locks.Type == "redis" {
		locks := lockredis.New(client, cfg.Locks, log.With("module", "lock"))
		s.locks = locks
		s.closers = append(s.closers, locks.Close)
	}
	if cfg.Cache.Type == "redis" {
		all := cacheredis.New(client, s.near, log.With("module", "cache"))
		s.all, s.signIns = all, authn.Shared{Failures: all, Keys: all}
	}
	s.closers = append(s.closers, client.Close)
	return nil
}

func (s *commons) close() error {
	var errs []error
	for _, closer := range s.closers {
		errs = append(errs, closer())
	}
	s.closers = nil
	return errors.Join(errs...)
}
