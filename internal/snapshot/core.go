package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/retention"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/s3"
)

// Core is the registry on its stores, and what works on them beside requests: what a command on a store
// runs on, and a part of every Snapshot.
type Core struct {
	Registry    *registry.Registry
	Maintenance *registry.Maintenance
	Collector   *gc.Collector

	log    *slog.Logger
	config *config.Config
	rules  config.Rules
	stores []place
	redis  commons
}

// place is a store that can be born, and that has an address.
type place interface {
	storage.Store
	// Create makes what the store needs to be written to, if it is not there.
	Create(ctx context.Context) error
	// Root is where it lies, as people write it: a folder, or s3://bucket/prefix.
	Root() string
}

// OpenCore opens the stores of a config and creates nothing. Close gives them up.
func OpenCore(ctx context.Context, cfg *config.Config, shared *Shared) (*Core, error) {
	c := &Core{log: shared.Logger.With("module", "registry"), config: cfg}
	if err := c.open(ctx, shared); err != nil {
		return nil, errors.Join(mistake(err), c.Close())
	}
	return c, nil
}

func (c *Core) open(ctx context.Context, shared *Shared) error {
	blobs, metadata, err := c.openStores(ctx, shared)
	if err != nil {
		return err
	}
	if err := c.redis.open(c.config, c.log); err != nil {
		return err
	}
	c.Registry, err = registry.New(ctx, registry.Options{
		Blobs: blobs, Metadata: metadata, Locks: c.redis.locks,
		Config: c.config.Registry, Repositories: Repositories(c.config),
		Redirect: c.config.Storage.Blobs.S3.Redirect, RedirectTTL: c.config.Storage.Blobs.S3.RedirectTTL,
		MetadataTTL: c.config.Storage.MetadataCacheTTL, State: shared.State,
	})
	if err != nil {
		return err
	}
	c.Maintenance = c.Registry.Maintenance()
	if c.rules, err = c.config.Rules(shared.Compiler); err != nil {
		return err
	}
	c.Collector, err = gc.New(gc.Options{Registry: c.Maintenance, Retention: Retention(c.rules.Retention), Config: c.config.GC})
	return err
}

// Retention is what keep rules say to the collector.
func Retention(rules *policy.KeepChain) gc.Retention { return collectorRules{retention.New(rules)} }

// collectorRules is the rules of retention as the collector asks them: the two do not know each other.
type collectorRules struct{ *retention.Retention }

// Decide hands on what the rules say.
func (r collectorRules) Decide(ns oci.Name, now time.Time, images []registry.Image) []gc.Verdict {
	said := r.Retention.Decide(ns, now, images)
	verdicts := make([]gc.Verdict, len(said))
	for i, verdict := range said {
		verdicts[i] = gc.Verdict(verdict)
	}
	return verdicts
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
func (c *Core) openStores(ctx context.Context, shared *Shared) (blobs, metadata storage.Store, err error) {
	counters := shared.metrics.stores
	if shared.Memory != nil {
		c.stores = append(c.stores, shared.Memory)
		counted := counters.Wrap(shared.Memory, "all")
		return counted, counted, nil
	}
	if c.config.Storage.Metadata == nil {
		one, err := c.openStore(ctx, c.config.Storage.Blobs, "storage.blobs", counters.Breaker("all"))
		if err != nil {
			return nil, nil, err
		}
		counted := counters.Wrap(one, "all")
		return counted, counted, nil
	}
	blobStore, err := c.openStore(ctx, c.config.Storage.Blobs, "storage.blobs", counters.Breaker("blobs"))
	if err != nil {
		return nil, nil, fmt.Errorf("storage.blobs: %w", err)
	}
	metadataStore, err := c.openStore(ctx, *c.config.Storage.Metadata, "storage.metadata", counters.Breaker("metadata"))
	if err != nil {
		return nil, nil, fmt.Errorf("storage.metadata: %w", err)
	}
	return counters.Wrap(blobStore, "blobs"), counters.Wrap(metadataStore, "metadata"), nil
}

func (c *Core) openStore(ctx context.Context, cfg config.Store, section string, breaker func(open bool)) (store place, err error) {
	switch cfg.Type {
	case "s3":
		store, err = s3.New(ctx, cfg.S3, s3.Options{Section: section + ".s3", Logger: c.log, Breaker: breaker})
	default:
		store, err = fs.New(cfg.FS, fs.Options{MinFree: c.config.Storage.MinFree, Folders: registry.Folders(), Private: registry.PrivateFolders()})
	}
	if err != nil {
		return nil, err
	}
	c.stores = append(c.stores, store)
	return store, nil
}

// Create makes the stores if they do not exist yet. What the config has wrong is a *config.Error.
func (c *Core) Create(ctx context.Context) error {
	if c.config.Registry.ReadOnly {
		return nil // its medium may be, too
	}
	return mistake(c.create(ctx))
}

func (c *Core) create(ctx context.Context) error {
	for _, store := range c.stores {
		if err := store.Create(ctx); err != nil {
			return err
		}
	}
	if err := c.refuseUnguarded(ctx); err != nil {
		return err
	}
	return c.Maintenance.Create(ctx)
}

// Roots are where the stores lie, the blob store's first.
func (c *Core) Roots() []string {
	var roots []string
	for _, store := range c.stores {
		roots = append(roots, store.Root())
	}
	return roots
}

// Close gives up what the stores and the locks hold open.
func (c *Core) Close() error {
	errs := []error{c.redis.close()}
	for _, store := range c.stores {
		errs = append(errs, store.Close())
	}
	return errors.Join(errs...)
}
