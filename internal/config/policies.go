package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

// Rules are all rules of a configuration, compiled.
type Rules struct {
	Access    *policy.Chain
	Retention *policy.KeepChain
}

// Rules compiles all rules. The error names the sections of those that are wrong, which Load has told before.
func (c *Config) Rules(compiler *policy.Compiler) (Rules, error) {
	var failed []error
	rules := c.compile(compiler, func(section string, err error) {
		failed = append(failed, fmt.Errorf("%s: %w", section, err))
	})
	return rules, errors.Join(failed...)
}

// compile compiles all rules, and tells of each section that has mistakes.
func (c *Config) compile(compiler *policy.Compiler, failed func(section string, err error)) Rules {
	note := func(section string, err error) {
		if err != nil {
			failed(section, err)
		}
	}
	compiler.Forget()
	access := &policy.Chain{Repositories: oci.Prefixes[*policy.Policy]{}}
	retention := &policy.KeepChain{Repositories: oci.Prefixes[*policy.Keep]{}}
	var err error
	if c.Policy != nil {
		access.Global, err = compiler.Policy(policy.Global, c.Policy.Config)
		note("policy", err)
	}
	retention.Global, err = c.Retention.Compile(compiler, policy.Global)
	note("retention", err)
	for i, r := range c.Repositories {
		at := fmt.Sprintf("repositories[%d]", i)
		name, err := oci.ParseName(r.Name)
		note(at+".name", err)
		access.Repositories[name] = nil // it owns what is below it
		if r.Policy != nil {
			access.Repositories[name], err = compiler.Policy(r.Name, *r.Policy)
			note(at+".policy", err)
		}
		retention.Repositories[name], err = r.Retention.Compile(compiler, r.Name)
		note(at+".retention", err)
	}
	return Rules{access, retention}
}

// validatePolicies compiles every rule, of policies and of retention, and points into the expressions that
// are wrong.
func (l *loader) validatePolicies(cfg *Config, report func(key, problem string), sources Sources) {
	validate := func(section string, validate func(report func(path, problem string))) {
		validate(below(section, report))
	}
	if cfg.Policy != nil {
		validate("policy", cfg.Policy.Validate)
	}
	validate("retention", cfg.Retention.Validate)
	for i, r := range cfg.Repositories {
		at := fmt.Sprintf("repositories[%d]", i)
		if r.Policy != nil {
			validate(at+".policy", r.Policy.Validate)
		}
		validate(at+".retention", r.Retention.Validate)
	}
	known := slices.Clip(l.found)
	cfg.compile(l.compiler, func(section string, err error) {
		l.addMistakes(section, err, known, sources)
	})
}

// addMistakes adds what is wrong with the rules of a section, unless it is known.
func (l *loader) addMistakes(section string, err error, known problems, sources Sources) {
	var failed *policy.CompileError
	if !errors.As(err, &failed) {
		if !known.about(section) {
			l.found = append(l.found, Problem{Origin: sources.Of(section), Key: section, Message: err.Error()})
		}
		return
	}
	for _, m := range failed.Mistakes {
		at := fmt.Sprintf("%s.rules[%d]", section, m.Rule)
		if !known.about(at + ".expr") {
			l.found = append(l.found, l.mistakeIn(at, m, sources))
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
