package snapshot_test

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/snapshot"
)

// manyRepositories is a config of 1,000 repositories, each with two rules of its own in its policy, and two
// in its retention.
func manyRepositories(root string) *config.Config {
	cfg := newConfig(root)
	for i := range 1000 {
		access := policy.DefaultConfig()
		access.Rules = []policy.RuleConfig{
			{Expr: fmt.Sprintf("identity.username == 'robot-%d' && request.action in ['get-manifest', 'get-blob', 'put-manifest', 'start-upload']", i)},
			{Expr: fmt.Sprintf("'team-%d' in identity.groups && request.namespace.startsWith('team-%d/')", i, i)},
		}
		one := config.Repository{Policy: &access}
		one.Name = fmt.Sprintf("team-%d", i)
		one.Retention.Rules = []policy.RuleConfig{
			{Expr: fmt.Sprintf("image.tag.startsWith('release-%d')", i)},
			{Expr: fmt.Sprintf("top_pushed(%d) || image.pushed_at > now() - days(30)", i+1)},
		}
		cfg.Repositories = append(cfg.Repositories, one)
	}
	return cfg
}

// BenchmarkBuild builds a snapshot of a config that nothing is known of, and one of a config in which one
// repository is another one than before.
func BenchmarkBuild(b *testing.B) {
	root := b.TempDir()
	b.Run("first", func(b *testing.B) {
		cfg := manyRepositories(root)
		for b.Loop() {
			shared := shared()
			s, err := snapshot.Build(b.Context(), cfg, shared)
			must(b, err)
			must(b, s.Close())
			shared.Close()
		}
	})
	b.Run("one repository changed", func(b *testing.B) {
		shared := shared()
		defer shared.Close()
		last, err := snapshot.Build(b.Context(), manyRepositories(root), shared)
		must(b, err)
		for i := 0; b.Loop(); i++ {
			cfg := manyRepositories(root)
			cfg.Repositories[i%1000].Policy.Rules[0].Expr = fmt.Sprintf("identity.username == 'change-%d'", i)
			next, err := snapshot.Build(b.Context(), cfg, shared)
			must(b, err)
			must(b, last.Close())
			last = next
		}
		must(b, last.Close())
	})
}
