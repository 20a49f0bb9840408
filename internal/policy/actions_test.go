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
