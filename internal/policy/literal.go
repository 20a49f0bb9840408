package policy

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/common/ast"
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
		for _, argument := range call.Args() {
			if argument.Kind() != ast.LiteralKind {
				continue
			}
			text, ok := argument.AsLiteral().(types.String)
			if !ok {
				continue
			}
			if err := wrongLiteral(call.FunctionName(), string(text)); err != nil {
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
