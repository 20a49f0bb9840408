package policy

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

// Named is what rules speak of: the actions that they compare request.action with, and the users and groups that they
// look for by name.
type Named struct {
	Actions, Users, Groups []string
}

// Named is what the rules of all policies speak of.
func (c *Chain) Named() Named {
	var all Named
	for _, p := range c.Policies() {
		for _, r := range p.rules {
			all.Actions = append(all.Actions, r.named.Actions...)
			all.Users = append(all.Users, r.named.Users...)
			all.Groups = append(all.Groups, r.named.Groups...)
		}
	}
	for _, list := range []*[]string{&all.Actions, &all.Users, &all.Groups} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return all
}

func (named *Named) add(checked *ast.AST) {
	groups := loopsOver(checked.Expr(), "identity", "groups")
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.CallKind {
			return
		}
		call := x.AsCall()
		named.Actions = append(named.Actions, actionsIn(call)...)
		named.Groups = append(named.Groups, groupIn(call)...)
		word, literals := comparison(call)
		if word == nil {
			return
		}
		for _, literal := range literals {
			text, ok := textOf(literal)
			switch {
			case !ok:
			case isField(word, "identity", "username"), isField(word, "identity", "id"):
				named.Users = append(named.Users, text)
			case isOneOf(word, groups):
				named.Groups = append(named.Groups, text)
			}
		}
	}))
}

// actionsIn are the actions that a call compares request.action with, or that its pattern fits.
func actionsIn(call ast.CallExpr) []string {
	var patterns []pattern
	if word, literals := comparison(call); word != nil && isWord(word, "action") {
		for _, literal := range literals {
			text, _ := textOf(literal) // what is no text fits no action
			patterns = append(patterns, pattern{operators.Equals, text})
		}
	}
	if call.IsMemberFunction() && isWord(call.Target(), "action") && len(call.Args()) == 1 {
		if text, ok := textOf(call.Args()[0]); ok {
			patterns = append(patterns, pattern{call.FunctionName(), text})
		}
	}
	var fitting []string
	for _, name := range ActionNames() {
		if slices.ContainsFunc(patterns, func(p pattern) bool { return p.fits(name) }) {
			fitting = append(fitting, name)
		}
	}
	return fitting
}

// groupIn is the group that a call looks for: 'dev' in identity.groups, identity.groups.contains('dev').
func groupIn(call ast.CallExpr) []string {
	var text string
	var ok bool
	switch {
	case call.FunctionName() == operators.In && isField(call.Args()[1], "identity", "groups"):
		text, ok = textOf(call.Args()[0])
	case call.FunctionName() == overloads.Contains && call.IsMemberFunction() && isField(call.Target(), "identity", "groups"):
		text, ok = textOf(call.Args()[0])
	}
	if !ok {
		return nil
	}
	return []string{text}
}
