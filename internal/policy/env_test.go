package policy

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
)

func TestARuleThatCostsTooMuchFails(t *testing.T) {
	t.Parallel()
	q := pull(t, "alice", "team/app")
	for range 1000 {
		q.Identity.Groups = append(q.Identity.Groups, "group")
	}
	p := compile(t, Global, Config{Default: "deny", Rules: rules("identity.groups.all(a, identity.groups.all(b, a != 'x' && b != 'x'))")})
	d := p.decide(newActivation(&q))
	if len(d.Failed) != 1 || !strings.Contains(d.Failed[0].Err.Error(), "cost limit") {
		t.Errorf("got %+v, want that the rule fails by its cost", d)
	}
}

// FuzzExpression compiles and evaluates expressions: nothing panics, and every mistake points into the
// expression.
func FuzzExpression(f *testing.F) {
	g := readGolden(f)
	for _, c := range g.Access {
		f.Add(c.Expr)
	}
	for _, c := range g.Retention.Rules {
		f.Add(c.Expr)
	}
	q := pull(f, "alice", "team/app")
	q.Identity.OIDC = &access.OIDC{Provider: "ci", Claims: map[string]any{"a": []any{1.0, "b", nil, map[string]any{}}}}
	f.Fuzz(func(t *testing.T, expr string) {
		p, err := NewCompiler().Policy(Global, Config{Default: "deny", Rules: rules(expr)})
		if err == nil {
			d := p.decide(newActivation(&q))
			NewCompiler().AboutTags(p.config, 0)
			if x, v := (&Chain{Global: p}).Explain(q); v.Allowed != d.Allowed || len(x) != 1 {
				t.Errorf("decides %t, explains %t", d.Allowed, v.Allowed)
			}
			return
		}
		failed, ok := err.(*CompileError)
		if !ok {
			t.Fatalf("got %v, want a *CompileError", err)
		}
		for _, m := range failed.Mistakes {
			if lines := strings.Count(expr, "\n") + 1; m.Line < 1 || m.Line > lines+1 || m.Column < 1 || m.Message == "" {
				t.Errorf("got %+v in %d lines", m, lines)
			}
		}
		if k, err := NewCompiler().Keep(Global, rules(expr)); err == nil {
			decideAll([]Image{{Tag: "v1", PushedAt: 1}}, k)
		}
	})
}
