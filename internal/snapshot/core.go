package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/retention"
)

// Core is the registry on its stores, and what works on them beside requests: what a command on a store
// runs on, and a part of every Snapshot.
type Core struct {
	Registry    *registry.Registry
	Maintenance *registry.Maintenance
	Collector   *gc.Collector

	log    *slog.Logger
	config *config.Config
	shared *Shared
	opened closers

	stores []*openStore // the blob store's first; one if it is the metadata store, too
	state  *storesState
	caches caches
	rules  config.Rules
}

// OpenCore opens the stores of a config, or borrows those that are open, and creates nothing. Close gives them
// back.
func OpenCore(ctx context.Context, cfg *config.Config, shared *Shared) (*Core, error) {
	c := &Core{log: shared.Logger.With("module", "registry"), config: cfg, shared: shared}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(mistake(err), c.Close())
	}
	return c, nil
}

func (c *Core) open(ctx context.Context) error {
	err := c.openStores(ctx)
	if err != nil {
		return err
	}
	if err := c.openRegistry(ctx); err != nil {
		return err
	}
	if c.caches, err = c.borrowCaches(); err != nil {
		return err
	}
	c.Maintenance = c.Registry.Maintenance()
	if c.rules, err = c.config.Rules(c.shared.Compiler); err != nil {
		return err
	}
	collects := c.config.GC
	if c.config.Registry.ReadOnly {
		collects.Schedule = ""
	}
	c.Collector, err = gc.New(gc.Options{Registry: c.Maintenance, Retention: retention.New(c.rules.Retention), Config: collects})
	return err
}

// Repositories is what the core knows of the configured prefixes.
func Repositories(cfg *config.Config) []registry.RepositoryConfig {
	list := make([]registry.RepositoryConfig, len(cfg.Repositories))
	for i, r := range cfg.Repositories {
		list[i] = r.RepositoryConfig
	}
	return list
}

// openStores opens the blob store and the metadata store, which are one unless the config names two.
func (c *Core) openStores(ctx context.Context) error {
	cfg := c.config.Storage
	if c.shared.Memory != nil || cfg.Metadata == nil {
		one, err := c.borrowStore(ctx, "storage.blobs", "all", cfg.Blobs)
		c.stores = []*openStore{one}
		return err
	}
	blobs, err := c.borrowStore(ctx, "storage.blobs", "blobs", cfg.Blobs)
	if err != nil {
		return fmt.Errorf("storage.blobs: %w", err)
	}
	metadata, err := c.borrowStore(ctx, "storage.metadata", "metadata", *cfg.Metadata)
	if err != nil {
		return fmt.Errorf("storage.metadata: %w", err)
	}
	c.stores = []*openStore{blobs, metadata}
	return nil
}

func (c *Core) openRegistry(ctx context.Context) error {
	blobs, metadata := c.stores[0], c.stores[len(c.stores)-1]
	var err error
	if c.state, err = c.borrowState(blobs, metadata); err != nil {
		return err
	}
	locks, err := c.borrowLocks(c.state)
	if err != nil {
		return err
	}
	c.Registry, err = registry.New(ctx, registry.Options{
		Blobs: blobs.counted, Metadata: metadata.counted, Locks: locks,
		Config: c.config.Registry, Repositories: Repositories(c.config),
		Redirect: c.config.Storage.Blobs.S3.Redirect, RedirectTTL: c.config.Storage.Blobs.S3.RedirectTTL,
		MetadataTTL: c.config.Storage.MetadataCacheTTL, State: c.state.registry,
	})
	return err
}

// Create makes the stores if they do not exist yet. What the config has wrong is a *config.Error.
func (c *Core) Create(ctx context.Context) error {
	if c.config.Registry.ReadOnly {
		return nil // its medium may be, too
	}
	return mistake(c.create(ctx))
}

func (c *Core) create(ctx context.Context) error {
	lost, err := c.Maintenance.LostFormat(ctx) // before there are folders, which would be looked through
	if err != nil {
		return err
	}
	for _, store := range c.stores {
		if err := store.Create(ctx); err != nil {
			return err
		}
	}
	if err := c.checkConditionalWrites(ctx); err != nil {
		return err
	}
	if lost {
		c.log.WarnContext(ctx, "the store has objects and no _format, which is written anew: look whether all of it is there", "store", c.Roots())
		return c.Maintenance.Create(ctx)
	}
	return c.Maintenance.CreateEmpty(ctx)
}

// Roots are where the stores lie, the blob store's first.
func (c *Core) Roots() []string {
	var roots []string
	for _, store := range c.stores {
		roots = append(roots, store.Root())
	}
	return roots
}

// Close gives back what was borrowed, and ends what is the Core's own.
func (c *Core) Close() error { return c.opened.close() }
