package policy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

func TestAChain(t *testing.T) {
	t.Parallel()
	yes, no := Config{Default: "allow"}, Config{Default: "deny"}
	covered := Config{Default: "deny", Rules: rules("has_repository_policy()")}
	type policies map[string]*Config // by repository; "" is the global one
	cases := []struct {
		name      string
		policies  policies
		namespace string
		want      string
	}{
		{"without any policy denies", nil, "hub/a", "false none"},
		{"with the global one alone asks that", policies{"": &yes}, "hub/a", "true global"},
		{"with a repository's alone asks that", policies{"hub": &yes}, "hub/a", "true repository hub"},
		{"denies what no policy covers", policies{"hub": &yes}, "other", "false none"},
		{"asks both, and the last decides", policies{"": &yes, "hub": &yes}, "hub/a", "true repository hub"},
		{"stops at the global denial", policies{"": &no, "hub": &yes}, "hub/a", "false global"},
		{"denies if the repository does", policies{"": &yes, "hub": &no}, "hub/a", "false repository hub"},
		{"takes the longest prefix", policies{"hub": &no, "hub/a": &yes}, "hub/a/b", "true repository hub/a"},
		{"takes whole words as prefix", policies{"hub": &yes, "": &no}, "hubble", "false global"},
		{"covers the repository's own name", policies{"hub": &yes}, "hub", "true repository hub"},
		{"asks no policy of the prefix above a repository without one", policies{"": &yes, "hub": &no, "hub/a": nil}, "hub/a/b", "true global"},
		{"denies in a repository without one if there is no global one", policies{"hub": &yes, "hub/a": nil}, "hub/a/b", "false none"},
		{"knows that a repository's policy covers", policies{"": &covered, "hub": &yes}, "hub/a", "true repository hub"},
		{"knows that none does", policies{"": &covered, "hub": &yes}, "other", "false global"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := &Chain{Repositories: oci.Prefixes[*Policy]{}}
			for name, cfg := range tc.policies {
				var p *Policy
				if cfg != nil {
					p = compile(t, name, *cfg)
				}
				if name == "" {
					p.Scope, c.Global = Global, p
					continue
				}
				c.Repositories[parse(t, oci.ParseName, name)] = p
			}
			v := c.Decide(pull(t, "alice", tc.namespace))
			got := fmt.Sprintf("%t %s", v.Allowed, v.Last().Stage)
			if v.Last().Stage == access.StageRepository {
				got += " " + v.Last().Scope
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

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
