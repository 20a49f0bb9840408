package policy

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
)

// Compiler compiles expressions, each once for as long as configurations use it. Policies and keep rules that
// have an expression in common share its program, also when one version of a configuration replaces another.
type Compiler struct {
	access, keep kind

	withoutMacros func() (*cel.Env, error) // in which a loop is the call that was written; made when it is first needed
}

// kind is the expressions of one environment.
type kind struct {
	environment func() (*environment, error) // made when it is first needed

	mu sync.Mutex // guards the rest
	// known are the expressions of this configuration by their texts, and before those of the one before.
	known, before map[string]*expression
	compiled      int
}

// NewCompiler makes a Compiler that knows no expression.
func NewCompiler() *Compiler {
	c := &Compiler{}
	c.access.environment = sync.OnceValues(newAccessEnvironment)
	c.withoutMacros = sync.OnceValues(func() (*cel.Env, error) {
		e, err := c.access.environment()
		if err != nil {
			return nil, err
		}
		return e.cel.Extend(cel.ClearMacros())
	})
	c.keep.environment = sync.OnceValues(newKeepEnvironment)
	return c
}

// Policy compiles a policy. The error is a *CompileError with all that is wrong with the rules.
func (c *Compiler) Policy(scope string, cfg Config) (*Policy, error) {
	rules, err := c.access.rules(scope, cfg.Rules)
	if err != nil {
		return nil, err
	}
	return &Policy{rules, cfg}, nil
}

// Keep compiles keep rules. The error is a *CompileError with all that is wrong with them.
func (c *Compiler) Keep(scope string, configs []RuleConfig) (*Keep, error) {
	rules, err := c.keep.rules(scope, configs)
	if err != nil {
		return nil, err
	}
	return &Keep{rules}, nil
}

// Forget begins another configuration. It forgets the expressions that the configuration before did not ask
// for, so that no more is remembered than what two configurations have.
func (c *Compiler) Forget() {
	c.access.forget()
	c.keep.forget()
}

// Compiled is how many expressions were compiled.
func (c *Compiler) Compiled() int {
	count := 0
	for _, k := range []*kind{&c.access, &c.keep} {
		k.mu.Lock()
		count += k.compiled
		k.mu.Unlock()
	}
	return count
}

// rules compiles the rules of a scope.
func (k *kind) rules(scope string, configs []RuleConfig) (ruleSet, error) {
	if len(configs) > maxRules {
		return ruleSet{}, fmt.Errorf("policy %s: want at most %d rules, got %d", scope, maxRules, len(configs))
	}
	e, err := k.environment()
	if err != nil {
		return ruleSet{}, err
	}
	rules := make([]rule, len(configs))
	var failed CompileError
	for i, r := range configs {
		x, found := k.expression(e, r.Expr)
		rules[i] = rule{name: r.nameOf(scope, i), expression: x}
		for _, m := range found {
			m.Rule, m.Name = i, rules[i].name
			failed.Mistakes = append(failed.Mistakes, m)
		}
	}
	if len(failed.Mistakes) > 0 {
		return ruleSet{}, &failed
	}
	return ruleSet{scope, rules, e}, nil
}

// expression finds a compiled expression, or compiles it. One with mistakes is not remembered.
func (k *kind) expression(e *environment, text string) (*expression, []Mistake) {
	if x := k.find(text); x != nil {
		return x, nil
	}
	x, found := e.compile(text)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.compiled++
	if found != nil {
		return nil, found
	}
	k.remember(x)
	return x, nil
}

func (k *kind) find(text string) *expression {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.known[text]
	if x == nil {
		if x = k.before[text]; x != nil {
			k.remember(x)
		}
	}
	return x
}

// remember keeps an expression. The caller holds mu.
func (k *kind) remember(x *expression) {
	if k.known == nil {
		k.known = map[string]*expression{}
	}
	k.known[x.text] = x
}

func (k *kind) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before, k.known = k.known, nil
}
