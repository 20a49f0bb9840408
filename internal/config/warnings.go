package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/server"
)

// Warnings are what is allowed and likely not meant, in the order of the keys, and which certificates are not valid now or
// will not be soon.
func (c *Config) Warnings(sources Sources, compiler *policy.Compiler, now time.Time) []Problem {
	var warnings []Problem
	warn := func(key, problem string) {
		warnings = append(warnings, Problem{Origin: sources.Of(key), Key: key, Message: problem})
	}
	c.Server.Warn(c.Auth.Active(), below("server", warn))
	if c.Policy == nil && c.allowsAll() && (len(c.Server.TrustedProxies) > 0 || c.Server.ExternalURL != "") {
		warn("server", "to sreg a proxy is somebody on this computer, who may do everything without a policy: sreg policy init writes a first one")
	}
	c.Auth.Warn(below("auth", warn))
	if c.Auth.Active() && c.Auth.Token.Enabled && c.Server.ExternalURL == "" && c.reachable() {
		warn("server.external_url", "is missing: clients send their passwords where their Host header says, and by http if a proxy ends TLS before sreg; set the URL that people use")
	}
	if c.Auth.Active() && c.allowsAll() {
		warn("auth", "nobody has to sign in, because no policy asks for it: sreg policy init writes a first one")
	}
	if c.Policy != nil {
		if c.Policy.DeniesAll() && c.Policy.Webhook == "" {
			warn("policy", "nobody may do anything, because there is no rule: sreg policy init writes some")
		}
	}
	c.warnOfExposed(sources, warn)
	c.warnOfCertificates(sources, now, warn)
	c.warnOfWebhooks(warn)
	c.Registry.ImmutableTags.Warn(below("registry.immutable_tags", warn))
	for i, r := range c.Repositories {
		if r.ImmutableTags != nil {
			r.ImmutableTags.Warn(below(fmt.Sprintf("repositories[%d].immutable_tags", i), warn))
		}
	}
	c.warnOfRules(compiler, warn)
	return append(warnings, c.Idle(sources)...)
}

// RuleWarnings are those of Warnings that are about rules, and about what has no effect.
func (c *Config) RuleWarnings(sources Sources, compiler *policy.Compiler) []Problem {
	var warnings []Problem
	c.warnOfRules(compiler, func(key, problem string) {
		warnings = append(warnings, Problem{Origin: sources.Of(key), Key: key, Message: problem})
	})
	return append(warnings, c.Idle(sources)...)
}

func (c *Config) warnOfRules(compiler *policy.Compiler, warn func(key, problem string)) {
	if c.Policy != nil {
		warnOfPolicy(c.Policy.Config, compiler, below("policy", warn))
	}
	c.Retention.Warn(compiler, below("retention", warn))
	for i, r := range c.Repositories {
		at := fmt.Sprintf("repositories[%d]", i)
		if r.Policy != nil {
			warnOfPolicy(*r.Policy, compiler, below(at+".policy", warn))
		}
		r.Retention.Warn(compiler, below(at+".retention", warn))
	}
}

func warnOfPolicy(p policy.Config, compiler *policy.Compiler, warn func(path, problem string)) {
	if p.FailsOpen() {
		warn("on_error", "where default is allow, skip lets a request through whose rule fails: set deny, or leave on_error out")
	}
	if p.Webhook != "" && p.Webhook != "none" && p.DeniesAll() {
		warn("webhook", "without a rule nothing is allowed, so the webhook is never asked: set default: allow if it alone is to decide")
	}
	compiled, err := compiler.Policy("", p)
	for i := range p.Rules {
		if err == nil {
			for _, problem := range compiled.Unmatched(i) {
				warn(fmt.Sprintf("rules[%d]", i), problem)
			}
		}
		if meant := compiler.AboutTags(p, i); meant != "" {
			warn(fmt.Sprintf("rules[%d]", i), "a push or a delete by digest has the digest as its reference, whatever tags go with it; ask for the tags: "+meant)
		}
	}
}

// warnOfWebhooks warns of those that no policy asks, and of policies without one that say so.
func (c *Config) warnOfWebhooks(warn func(key, problem string)) {
	asked := map[string]bool{}
	global := c.Policy != nil && c.Policy.Webhook != "" && c.Policy.Webhook != "none"
	if c.Policy != nil {
		asked[c.Policy.Webhook] = true
		if c.Policy.Webhook == "none" {
			warn("policy.webhook", "has no effect: none is for the policy of a repository, where policy.webhook names a webhook")
		}
	}
	for i, r := range c.Repositories {
		if r.Policy == nil {
			continue
		}
		asked[r.Policy.Webhook] = true
		if r.Policy.Webhook == "none" && !global {
			warn(fmt.Sprintf("repositories[%d].policy.webhook", i), "has no effect: policy.webhook names no webhook")
		}
	}
	for i, w := range c.Webhooks {
		if !asked[w.Name] {
			warn(fmt.Sprintf("webhooks[%d]", i), fmt.Sprintf("has no effect: no policy has webhook: %s", w.Name))
		}
	}
}

// allowsAll reports whether everybody may do everything.
func (c *Config) allowsAll() bool {
	for _, r := range c.Repositories {
		if r.Policy != nil {
			return false
		}
	}
	return c.Policy == nil || c.Policy.Default == "allow" && len(c.Policy.Rules) == 0 && c.Policy.Webhook == ""
}

// reachable says that others than the programs of this computer come to the registry: by the network, or by
// a proxy, which is what unix sockets and systemd's are for.
func (c *Config) reachable() bool {
	return slices.ContainsFunc(c.Server.Listeners, func(l server.Listener) bool {
		address, err := server.ParseAddress(l.Address)
		return err == nil && len(l.Serves) == 0 && (address.Network != "tcp" || !address.Private())
	})
}
