package config

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestRulesAreThoseOfTheConfig(t *testing.T) {
	t.Parallel()
	cfg, compiler := Default(), policy.NewCompiler()
	if rules, err := cfg.Rules(compiler); err != nil || !rules.Access.Empty() {
		t.Errorf("got %v and %v of a config without rules, want nothing that decides", rules, err)
	}
	cfg.Policy = &policy.GlobalConfig{Config: policy.Config{Default: "allow"}}
	cfg.Repositories = []Repository{
		{RepositoryConfig: registry.RepositoryConfig{Name: "hub"}, Policy: &policy.Config{Default: "deny"}},
		{RepositoryConfig: registry.RepositoryConfig{Name: "hub/open"}},
	}
	rules, err := cfg.Rules(compiler)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"other": true, "hub/a": false, "hub/open/a": true} {
		namespace, err := oci.ParseName(name)
		if err != nil {
			t.Fatal(err)
		}
		q := policy.Question{Request: access.Request{Action: access.GetManifest, Namespace: namespace}}
		if got := rules.Access.Decide(q).Allowed; got != want {
			t.Errorf("%s: allowed %t, want %t", name, got, want)
		}
	}
	cfg.Repositories[0].Policy.Rules = []policy.RuleConfig{{Expr: "nonsense"}}
	if _, err := cfg.Rules(compiler); err == nil || !strings.Contains(err.Error(), "repositories[0].policy: rule hub/1: ") {
		t.Errorf("got %v, want what is wrong with the rule of hub", err)
	}
}
