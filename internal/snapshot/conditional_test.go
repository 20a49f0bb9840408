package snapshot

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/retention"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// unconditional is a folder that honours no conditional writes.
type unconditional struct{ storage.Store }

func (unconditional) Features() storage.Features { return storage.Features{} }

func TestWhatNeedsConditionalWritesIsRefusedByItsKey(t *testing.T) {
	t.Parallel()
	immutable := registry.ImmutableTags{Enabled: true}
	keep := retention.Config{Rules: []policy.RuleConfig{{Expr: "true"}}}
	for _, tt := range []struct {
		name string
		set  func(*config.Config)
		want string // the key
	}{
		{"nothing of the kind", func(*config.Config) {}, ""},
		{"immutable tags", func(c *config.Config) { c.Registry.ImmutableTags = immutable }, "registry.immutable_tags"},
		{"immutable tags of a repository", func(c *config.Config) {
			c.Repositories = []config.Repository{{RepositoryConfig: registry.RepositoryConfig{Name: "a"}}, {RepositoryConfig: registry.RepositoryConfig{Name: "b", ImmutableTags: &immutable}}}
		}, "repositories[1].immutable_tags"},
		{"a schedule", func(c *config.Config) { c.GC.Schedule = "@daily" }, "gc.schedule"},
		{"rules of retention", func(c *config.Config) { c.Retention = keep }, "retention.rules"},
		{"rules of a repository", func(c *config.Config) {
			c.Repositories = []config.Repository{{RepositoryConfig: registry.RepositoryConfig{Name: "a"}, Retention: keep}}
		}, "repositories[0].retention.rules"},
		{"all of it, while nobody writes", func(c *config.Config) {
			c.Registry.ImmutableTags, c.Retention, c.GC.Schedule, c.Registry.ReadOnly = immutable, keep, "@daily", true
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			folder, err := fs.New(fs.Config{Root: t.TempDir()}, fs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			store := unconditional{folder}
			cfg := config.Default()
			tt.set(&cfg)
			reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: memory.New(), Config: cfg.Registry, Repositories: Repositories(&cfg)})
			if err != nil {
				t.Fatal(err)
			}
			core := &Core{Registry: reg, Maintenance: reg.Maintenance(), config: &cfg, stores: []*openStore{{configuredStore: folder}}}
			err = core.Create(t.Context())
			var refused *ConditionalWritesError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("create: %v", err)
			case tt.want != "" && (!errors.As(err, &refused) || refused.Key != tt.want):
				t.Errorf("create: %v, want a refusal of %s", err, tt.want)
			}
		})
	}
}
