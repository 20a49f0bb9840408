package config

import (
	"fmt"
	"slices"

	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/server"
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
	if c.Auth.Active() && c.Auth.Token.Enabled && c.Server.ExternalURL == "" && c.reachable() {
		warnings = append(warnings, Problem{Origin: sources.Of("server.external_url"), Key: "server.external_url", Message: "is missing: clients send their passwords where their Host header says, and by http if a proxy ends TLS before sreg; set the URL that people use"})
	}
	c.Auth.Warn(func(path, problem string) {
		key := "auth." + path
		warnings = append(warnings, Problem{Origin: sources.Of(key), Key: key, Message: problem})
	})
	return warnings
}

// reachable says that others than the programs of this computer come to the registry: by the network, or by
// a proxy, which is what unix sockets and systemd's are for.
func (c *Config) reachable() bool {
	return slices.ContainsFunc(c.Server.Listeners, func(l server.Listener) bool {
		address, err := server.ParseAddress(l.Address)
		return err == nil && len(l.Serves) == 0 && (address.Network != "tcp" || !address.Private())
	})
}
