package snapshot

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

// Policies compiles all policies of a configuration.
func Policies(cfg *config.Config) (*policy.Chain, error) {
	var global *policy.Policy
	var err error
	if cfg.Policy != nil {
		if global, err = policy.Compile(policy.Global, cfg.Policy.Config); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
	}
	repositories := make([]policy.Repository, len(cfg.Repositories))
	for i, r := range cfg.Repositories {
		if repositories[i].Name, err = oci.ParseName(r.Name); err != nil {
			return nil, fmt.Errorf("repositories[%d].name: %w", i, err)
		}
		if r.Policy == nil {
			continue
		}
		if repositories[i].Policy, err = policy.Compile(r.Name, *r.Policy); err != nil {
			return nil, fmt.Errorf("repositories[%d].policy: %w", i, err)
		}
	}
	return policy.NewChain(global, repositories), nil
}

// KeepRules compiles all that the config says about what stays.
func KeepRules(cfg *config.Config) (*policy.KeepChain, error) {
	global, err := cfg.Retention.Compile(policy.Global)
	if err != nil {
		return nil, fmt.Errorf("retention: %w", err)
	}
	repositories := make([]policy.KeepRepository, len(cfg.Repositories))
	for i, r := range cfg.Repositories {
		if repositories[i].Name, err = oci.ParseName(r.Name); err != nil {
			return nil, fmt.Errorf("repositories[%d].name: %w", i, err)
		}
		if repositories[i].Keep, err = r.Retention.Compile(r.Name); err != nil {
			return nil, fmt.Errorf("repositories[%d].retention: %w", i, err)
		}
	}
	return policy.NewKeepChain(global, repositories), nil
}
