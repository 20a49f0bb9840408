package policy

import (
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/interpreter"
)

// Keep is the compiled rules of one retention section: what is kept. It is not changed after
// CompileKeep, and used by any number of goroutines at once.
type Keep struct {
	Scope string

	rules       []rule
	environment *environment
}

// CompileKeep makes keep rules. The error is a *CompileError with all that is wrong with them.
func CompileKeep(scope string, configs []RuleConfig) (*Keep, error) {
	e, err := newKeepEnvironment()
	if err != nil {
		return nil, err
	}
	rules, err := e.compileAll(scope, configs)
	if err != nil {
		return nil, err
	}
	return &Keep{Scope: scope, rules: rules, environment: e}, nil
}

// Constant is what the rule of that number says of every image, where it looks at nothing: true, say, or
// 1 > 2. It is not constant if it fails.
func (k *Keep) Constant(rule int) (holds, constant bool) {
	checked, found := k.environment.check(k.rules[rule].expr)
	if found != nil || mentionsWords(checked.NativeRep()) {
		return false, false
	}
	holds, err := evaluate(k.rules[rule].program, interpreter.EmptyActivation())
	return holds && err == nil, err == nil
}

func mentionsWords(checked *ast.AST) bool {
	found := false
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		found = found || x.Kind() == ast.IdentKind
	}))
	return found
}

// RuleNames are the names of all rules in their order.
func (k *Keep) RuleNames() []string {
	names := make([]string, len(k.rules))
	for i, r := range k.rules {
		names[i] = r.name
	}
	return names
}
