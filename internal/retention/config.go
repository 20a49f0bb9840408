// Package retention is for the rules that say which images stay.
// It promises that an image stays unless rules were asked about it and none of them keeps it.
// It must not know who asks, or how an image is removed.
package retention

import (
	"fmt"

	"github.com/sreg-project/sreg/internal/policy"
)

// Config is one retention section of sreg's configuration. The struct tags are the single source of the
// keys' names, values and documentation.
type Config struct {
	Rules []policy.RuleConfig `mapstructure:"rules" doc:"An image stays if any rule is true, or fails: a global one, or one of the repository that owns it. A rule is an expression, or a name and an expression. Without rules everything stays."`
}

// Validate reports what is wrong: the path below the section, and the problem. Mistakes in expressions are
// found by Compile.
func (c Config) Validate(report func(path, problem string)) {
	policy.ValidateRules(c.Rules, report)
}

// Compile makes the rules. It is nil without any; the error is a *policy.CompileError.
func (c Config) Compile(compiler *policy.Compiler, scope string) (*policy.Keep, error) {
	if len(c.Rules) == 0 {
		return nil, nil
	}
	return compiler.Keep(scope, c.Rules)
}

// Warn reports rules that compile and are probably a mistake.
func (c Config) Warn(compiler *policy.Compiler, report func(path, problem string)) {
	keep, err := c.Compile(compiler, "")
	if err != nil || keep == nil {
		return
	}
	for i := range c.Rules {
		for _, problem := range keep.Unmatched(i) {
			report(fmt.Sprintf("rules[%d]", i), problem)
		}
		holds, constant := keep.Constant(i)
		if constant && !holds {
			report(fmt.Sprintf("rules[%d]", i), "is never true, so it keeps nothing; and without any other rule nothing stays")
		}
		if holds && len(c.Rules) > 1 {
			report(fmt.Sprintf("rules[%d]", i), "is always true, so that the other rules do nothing")
		}
	}
}
