package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
)

// TestEachActionIsAskedOrNeverAsked finds an action that was forgotten here.
func TestEachActionIsAskedOrNeverAsked(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../access/action.go", nil, 0)
	must(t, err)
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		word, err := strconv.Unquote(literal.Value)
		must(t, err)
		found++
		if asked, never := slices.Contains(Actions(), access.Action(word)), NeverAsked(access.Action(word)); asked == never {
			t.Errorf("%s: asked %t, never asked %t, want one of them", word, asked, never)
		}
		return true
	})
	if found != len(Actions())+len(neverAsked) {
		t.Errorf("got %d actions in access, %d here", found, len(Actions())+len(neverAsked))
	}
}

// TestUnservedActionsHaveNoRoute: whoever adds the route of one takes it off that list.
func TestUnservedActionsHaveNoRoute(t *testing.T) {
	t.Parallel()
	names := map[string]access.Action{} // of the constants
	file, err := parser.ParseFile(token.NewFileSet(), "../access/action.go", nil, 0)
	must(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			must(t, err)
			names[spec.Names[0].Name] = access.Action(word)
		}
		return true
	})
	routes, err := parser.ParseFile(token.NewFileSet(), "../httpapi/route.go", nil, 0)
	must(t, err)
	routed := 0
	ast.Inspect(routes, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		action, known := names[selector.Sel.Name]
		if of, is := selector.X.(*ast.Ident); !known || !is || of.Name != "access" {
			return true
		}
		routed++
		if !Served(action) {
			t.Errorf("%s has a route: take it off the list", action)
		}
		return true
	})
	if routed < 15 {
		t.Errorf("got %d routes, want those of the distribution specification", routed)
	}
}
