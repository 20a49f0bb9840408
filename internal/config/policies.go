package config

import (
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/retention"
)

// validatePolicies compiles every rule, of policies and of retention, and points into the expressions that
// are wrong.
func (l *loader) validatePolicies(cfg *Config, report func(key, problem string), sources Sources) {
	validate := func(key string, section ruled) { l.validateRules(key, section, report, sources) }
	if cfg.Policy != nil {
		validate("policy", ruled{cfg.Policy.Validate, compiling(policy.Compile, policy.Global, cfg.Policy.Config)})
	}
	validate("retention", ruled{cfg.Retention.Validate, compiling(compileKeep, policy.Global, cfg.Retention)})
	for i, r := range cfg.Repositories {
		at := fmt.Sprintf("repositories[%d]", i)
		if r.Policy != nil {
			validate(at+".policy", ruled{r.Policy.Validate, compiling(policy.Compile, r.Name, *r.Policy)})
		}
		validate(at+".retention", ruled{r.Retention.Validate, compiling(compileKeep, r.Name, r.Retention)})
	}
}

// ruled is a section with rules, and what finds all that is wrong with it.
type ruled struct {
	validate func(report func(path, problem string))
	compile  func() error
}

// compiling keeps of what compiles a section the mistakes alone.
func compiling[C, R any](compile func(scope string, cfg C) (R, error), scope string, cfg C) func() error {
	return func() error {
		_, err := compile(scope, cfg)
		return err
	}
}

func compileKeep(scope string, cfg retention.Config) (*policy.Keep, error) { return cfg.Compile(scope) }

func (l *loader) validateRules(key string, section ruled, report func(key, problem string), sources Sources) {
	before := len(l.found)
	section.validate(below(key, report))
	if len(l.found) > before {
		return
	}
	err := section.compile()
	var failed *policy.CompileError
	if err != nil && !errors.As(err, &failed) {
		report(key, err.Error())
	}
	if failed == nil {
		return
	}
	for _, m := range failed.Mistakes {
		at := fmt.Sprintf("%s.rules[%d]", key, m.Rule)
		if known := before > 0 && l.found[:before].about(at); !known {
			l.found.add(l.mistakeIn(at, m, sources))
		}
	}
}

// mistakeIn is a mistake in an expression, at its place in the file.
func (l *loader) mistakeIn(key string, m policy.Mistake, sources Sources) Problem {
	at := sources.Of(key + ".expr")
	p := Problem{Origin: at, Key: key, Message: m.String()}
	inside, ok := document.Within(l.texts[at.Source], document.Position{Line: at.Line, Column: at.Column}, document.Position{Line: m.Line, Column: m.Column})
	if !ok {
		p.Message = fmt.Sprintf("line %d, column %d of the expression: %s", m.Line, m.Column, m)
		return p
	}
	p.Origin.Line, p.Origin.Column = inside.Line, inside.Column
	return p
}
