package policy

import (
	"fmt"
	"regexp"

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

func wrongLiteral(function, text string) error {
	switch function {
	case "matches":
		if _, err := regexp.Compile(text); err != nil {
			return fmt.Errorf("want a regular expression, got %q: %w", text, err)
		}
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
