package config

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/policy"
)

// Warnings are what is allowed and likely not meant, in the order of the keys.
func (c *Config) Warnings(sources Sources) []Problem {
	var warnings []Problem
	warn := func(key string, p policy.Config) {
		if p.FailsOpen() {
			warnings = append(warnings, Problem{Origin: sources.Of(key + ".default"), Key: key + ".on_error", Message: "with default: allow a rule that fails lets the request through: set on_error: deny"})
		}
		if p.Webhook != "" && p.DeniesAll() {
			warnings = append(warnings, Problem{Origin: sources.Of(key + ".webhook"), Key: key + ".webhook", Message: "without a rule nothing is allowed, so the webhook is never asked: set default: allow if it alone is to decide"})
		}
	}
	if c.Policy != nil {
		warn("policy", c.Policy.Config)
	}
	for i, r := range c.Repositories {
		if r.Policy != nil {
			warn(fmt.Sprintf("repositories[%d].policy", i), *r.Policy)
		}
	}
	c.Auth.Warn(func(path, problem string) {
		key := "auth." + path
		warnings = append(warnings, Problem{Origin: sources.Of(key), Key: key, Message: problem})
	})
	return warnings
}
