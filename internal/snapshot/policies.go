package snapshot

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

// Policies compiles all policies of a configuration.
func Policies(cfg *config.Config) (*policy.Chain, error) {
	chain := &policy.Chain{Repositories: oci.Prefixes[*policy.Policy]{}}
	var err error
	if cfg.Policy != nil {
		if chain.Global, err = policy.Compile(policy.Global, cfg.Policy.Config); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
	}
	for i, r := range cfg.Repositories {
		name, err := oci.ParseName(r.Name)
		if err != nil {
			return nil, fmt.Errorf("repositories[%d].name: %w", i, err)
		}
		chain.Repositories[name] = nil
		if r.Policy == nil {
			continue
		}
		if chain.Repositories[name], err = policy.Compile(r.Name, *r.Policy); err != nil {
			return nil, fmt.Errorf("repositories[%d].policy: %w", i, err)
		}
	}
	return chain, nil
}

// KeepRules compiles all that the config says about what stays.
func KeepRules(cfg *config.Config) (*policy.KeepChain, error) {
	global, err := cfg.Retention.Compile(policy.Global)
	if err != nil {
		return nil, fmt.Errorf("retention: %w", err)
	}
	chain := &policy.KeepChain{Global: global, Repositories: oci.Prefixes[*policy.Keep]{}}
	for i, r := range cfg.Repositories {
		name, err := oci.ParseName(r.Name)
		if err != nil {
			return nil, fmt.Errorf("repositories[%d].name: %w", i, err)
		}
		if chain.Repositories[name], err = r.Retention.Compile(r.Name); err != nil {
			return nil, fmt.Errorf("repositories[%d].retention: %w", i, err)
		}
	}
	return chain, nil
}
