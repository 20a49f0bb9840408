package config

import (
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/policy"
)

// validatePolicies compiles every rule, and points into the expressions that are wrong.
func (l *loader) validatePolicies(cfg *Config, report func(key, problem string), sources Sources) {
	if cfg.Policy != nil {
		l.validatePolicy(policyAt{"policy", policy.Global, cfg.Policy.Config}, report, sources)
	}
	for i, r := range cfg.Repositories {
		if r.Policy != nil {
			l.validatePolicy(policyAt{fmt.Sprintf("repositories[%d].policy", i), r.Name, *r.Policy}, report, sources)
		}
	}
}

// policyAt is one policy and where it stands.
type policyAt struct {
	key    string
	scope  string
	config policy.Config
}

func (l *loader) validatePolicy(p policyAt, report func(key, problem string), sources Sources) {
	before := len(l.found)
	p.config.Validate(below(p.key, report))
	if len(l.found) > before {
		return
	}
	_, err := policy.Compile(p.scope, p.config)
	var failed *policy.CompileError
	if err != nil && !errors.As(err, &failed) {
		report(p.key, err.Error())
	}
	if failed == nil {
		return
	}
	for _, m := range failed.Mistakes {
		key := fmt.Sprintf("%s.rules[%d]", p.key, m.Rule)
		if known := before > 0 && l.found[:before].about(key); !known {
			l.found.add(l.mistakeIn(key, m, sources))
		}
	}
}

// mistakeIn is a mistake in an expression, at its place in the file.
func (l *loader) mistakeIn(key string, m policy.Mistake, sources Sources) Problem {
	at := sources.Of(key + ".expr")
	p := Problem{Origin: at, Key: key, Message: m.String()}
	inside, ok := within(l.texts[at.Source], position{at.Line, at.Column}, position{m.Line, m.Column})
	if !ok {
		p.Message = fmt.Sprintf("line %d, column %d of the expression: %s", m.Line, m.Column, m)
		return p
	}
	p.Origin.Line, p.Origin.Column = inside.line, inside.column
	return p
}
