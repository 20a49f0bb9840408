package snapshot_test

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/snapshot"
)

func TestPoliciesAreThoseOfTheConfig(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t.TempDir())
	if chain, err := snapshot.Policies(cfg); err != nil || !chain.Empty() {
		t.Errorf("got %v and %v of a config without a policy, want an empty chain", chain, err)
	}
	cfg.Policy = &policy.GlobalConfig{Config: policy.Config{Default: "allow"}}
	cfg.Repositories = []config.Repository{
		{RepositoryConfig: registry.RepositoryConfig{Name: "hub"}, Policy: &policy.Config{Default: "deny"}},
		{RepositoryConfig: registry.RepositoryConfig{Name: "hub/open"}},
	}
	chain, err := snapshot.Policies(cfg)
	must(t, err)
	for name, want := range map[string]bool{"other": true, "hub/a": false, "hub/open/a": true} {
		namespace, err := oci.ParseName(name)
		must(t, err)
		q := policy.Question{Request: access.Request{Action: access.GetManifest, Namespace: namespace}}
		if got := chain.Decide(q).Allowed; got != want {
			t.Errorf("%s: allowed %t, want %t", name, got, want)
		}
	}
	cfg.Repositories[0].Policy.Rules = []policy.RuleConfig{{Expr: "nonsense"}}
	if _, err := snapshot.Policies(cfg); err == nil || !strings.Contains(err.Error(), "repositories[0].policy: rule hub/1: ") {
		t.Errorf("got %v, want what is wrong with the rule of hub", err)
	}
}
