package policy

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// What one expression may cost, whoever wrote it.
const (
	maxExpression = 16 << 10 // characters
	maxDepth      = 100      // expressions within each other
	maxNodes      = 10_000   // parts, with macros written out
	maxCost       = 100_000  // of one evaluation, in CEL's units: about one a step
	maxRegexp     = 10_000   // instructions of a regular expression
)

// environment is the words that a kind of rule may use.
type environment struct {
	cel       *cel.Env
	objects   []*objectType
	functions []function
}

func newAccessEnvironment() (*environment, error) {
	return newEnvironment([]*objectType{identityWords, certificateWords, oidcWords, requestWords, versionWords}, accessFunctions,
		cel.Variable("identity", identityWords.typ), cel.Variable("request", requestWords.typ))
}

func newKeepEnvironment() (*environment, error) {
	return newEnvironment([]*objectType{imageWords, versionWords}, keepFunctions, cel.Variable("image", imageWords.typ))
}

func newEnvironment(objects []*objectType, own []function, variables ...cel.EnvOption) (*environment, error) {
	standard, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make CEL types: %w", err)
	}
	opts := append(boundedMatches(), // and all else that CEL has
		cel.CustomTypeAdapter(standard),
		cel.CustomTypeProvider(newProvider(standard, objects...)),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.EnableMacroCallTracking(), // an explanation shows what was written
	)
	opts = append(opts, variables...)
	all := append(append([]function{}, own...), functions...)
	for _, f := range all {
		opts = append(opts, f.opts...)
	}
	made, err := cel.NewCustomEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("make CEL environment: %w", err)
	}
	return &environment{cel: made, objects: objects, functions: all}, nil
}

// check parses an expression and checks its types.
func (e *environment) check(expr string) (*cel.Ast, []Mistake) {
	parsed, issues := e.cel.Parse(expr)
	if issues.Err() != nil {
		return nil, e.mistakes(expr, nil, issues)
	}
	checked, issues := e.cel.Check(parsed)
	if issues.Err() != nil {
		return nil, e.mistakes(expr, parsed.NativeRep(), issues)
	}
	if !checked.OutputType().IsExactType(types.BoolType) {
		return nil, []Mistake{notBool(checked)}
	}
	if found := wrongLiterals(checked.NativeRep()); len(found) > 0 {
		return nil, found
	}
	return checked, nil
}

// expression is a compiled expression.
type expression struct {
	text    string
	program cel.Program
	// mentionsWords is false if the result is the same for every question.
	mentionsWords bool
	// unmatched are its parts that fit no text that there can be.
	unmatched []string
	named     Named
}

// compile makes the program of an expression. Only some programs run under a limit of cost, because counting
// makes a program several times slower: an expression without nested loops and computed patterns costs at
// most its length times the length of the values that it reads.
func (e *environment) compile(expr string) (*expression, []Mistake) {
	checked, found := e.check(expr)
	if found != nil {
		return nil, found
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if needsLimit(checked.NativeRep()) {
		opts = append(opts, cel.CostLimit(maxCost))
	}
	program, found := e.program(checked, opts...)
	if found != nil {
		return nil, found
	}
	x := &expression{text: expr, program: program, mentionsWords: mentionsWords(checked.NativeRep()), unmatched: unmatched(checked.NativeRep())}
	x.named.add(checked.NativeRep())
	return x, nil
}

func mentionsWords(checked *ast.AST) bool {
	found := false
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		found = found || x.Kind() == ast.IdentKind
	}))
	return found
}

// compileTracked makes a program that remembers the value of every part.
func (e *environment) compileTracked(expr string) (cel.Program, *cel.Ast, []Mistake) {
	checked, found := e.check(expr)
	if found != nil {
		return nil, nil, found
	}
	program, found := e.program(checked, cel.EvalOptions(cel.OptTrackState), cel.CostLimit(maxCost))
	return program, checked, found
}

func (e *environment) program(checked *cel.Ast, opts ...cel.ProgramOption) (cel.Program, []Mistake) {
	program, err := e.cel.Program(checked, opts...)
	if err != nil {
		return nil, []Mistake{{Line: 1, Column: 1, Message: err.Error()}}
	}
	return program, nil
}

// needsLimit reports whether an expression holds more than one macro that goes over a list, or a pattern that
// is computed, so that a client may choose it.
func needsLimit(checked *ast.AST) bool {
	found, loops := false, 0
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		switch x.Kind() {
		case ast.ComprehensionKind:
			loops++
		case ast.CallKind:
			name, args := x.AsCall().FunctionName(), x.AsCall().Args()
			if name == "matches" || name == "glob" {
				found = found || args[len(args)-1].Kind() != ast.LiteralKind
			}
		}
	}))
	return found || loops > 1
}
