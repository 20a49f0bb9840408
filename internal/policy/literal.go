package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
)

// wrongLiterals finds texts that a function will refuse whenever it is called.
func wrongLiterals(checked *ast.AST) []Mistake {
	var found []Mistake
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.CallKind {
			return
		}
		call := x.AsCall()
		if m, ok := computedPattern(checked, call); ok {
			found = append(found, m)
		}
		found = append(found, unknownActions(checked, call)...)
		for _, argument := range call.Args() {
			text, ok := textOf(argument)
			if !ok {
				continue
			}
			if err := wrongLiteral(call.FunctionName(), text); err != nil {
				at := checked.SourceInfo().GetStartLocation(argument.ID())
				found = append(found, Mistake{Line: at.Line(), Column: at.Column() + 1, Message: err.Error()})
			}
		}
	}))
	return found
}

// computedPattern finds a pattern of a ranking that is computed: each image could have another one.
func computedPattern(checked *ast.AST, call ast.CallExpr) (Mistake, bool) {
	if call.FunctionName() != "@"+topPushedLike || len(call.Args()) < 2 || call.Args()[1].Kind() == ast.LiteralKind {
		return Mistake{}, false
	}
	at := checked.SourceInfo().GetStartLocation(call.Args()[1].ID())
	return Mistake{Line: at.Line(), Column: at.Column() + 1, Message: topPushedLike + " wants its pattern written as one text in quotes"}, true
}

// unknownActions finds texts that request.action is compared with and never is.
func unknownActions(checked *ast.AST, call ast.CallExpr) []Mistake {
	word, literals := comparison(call)
	if word == nil || !isWord(word, "action") {
		return nil
	}
	var found []Mistake
	for _, literal := range literals {
		text, ok := textOf(literal)
		if !ok || isAction(text) {
			continue
		}
		at := checked.SourceInfo().GetStartLocation(literal.ID())
		m := Mistake{Line: at.Line(), Column: at.Column() + 1, Message: fmt.Sprintf("unknown action %q", text), Hint: MeantActions(text)}
		if m.Hint == "" {
			m.Hint = "actions are " + strings.Join(ServedActionNames(), ", ")
		}
		found = append(found, m)
	}
	return found
}

// comparison is what a call compares with what: x == y, x != y, x in [y, ...], [y, ...].contains(x). The word is nil if it
// compares nothing with texts that are written.
func comparison(call ast.CallExpr) (word ast.Expr, with []ast.Expr) {
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals:
		if args[0].Kind() == ast.LiteralKind {
			return args[1], args[:1]
		}
		return args[0], args[1:]
	case operators.In:
		if args[1].Kind() == ast.ListKind {
			return args[0], args[1].AsList().Elements()
		}
	case overloads.Contains:
		if call.IsMemberFunction() && len(args) == 1 && call.Target().Kind() == ast.ListKind {
			return args[0], call.Target().AsList().Elements()
		}
	}
	return nil, nil
}

// textOf is the text that an expression writes.
func textOf(x ast.Expr) (string, bool) {
	if x.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := x.AsLiteral().(types.String)
	return string(text), ok
}

func wrongLiteral(function, text string) error {
	switch function {
	case "matches", "@" + topPushedLike:
		return wrongRegexp(text)
	case "in_cidr":
		_, err := parseNetwork(text)
		return err
	case "semver_compare":
		if _, ok := version(text); !ok {
			return fmt.Errorf("want a semantic version such as 1.2.3, got %q", text)
		}
	}
	return nil
}

func wrongRegexp(text string) error {
	_, err := compileRegexp(text)
	if err == nil || errors.Is(err, errPatternSize) {
		return err
	}
	return fmt.Errorf("want a regular expression, got %q: %w", text, err)
}
