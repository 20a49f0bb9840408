package policy

import (
	"fmt"
	"testing"
)

// BenchmarkCompile is a policy of as many rules as are taken.
func BenchmarkCompile(b *testing.B) {
	var list []string
	for i := range maxRules {
		list = append(list, fmt.Sprintf("identity.username == 'user%d' && request.namespace.startsWith('team%d/')", i, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		compile(b, Global, Config{Default: "deny", Rules: rules(list...)})
	}
}

// TestAnExpressionIsCompiledOnce: as long as the configuration before had it.
func TestAnExpressionIsCompiledOnce(t *testing.T) {
	t.Parallel()
	c := NewCompiler()
	step := func(want int, exprs ...string) {
		t.Helper()
		c.Forget()
		before := c.Compiled()
		for _, scope := range []string{Global, "hub"} {
			_, err := c.Policy(scope, Config{Default: "deny", Rules: rules(exprs...)})
			must(t, err)
		}
		if got := c.Compiled() - before; got != want {
			t.Errorf("%d expressions compiled of %q, want %d", got, exprs, want)
		}
	}
	step(2, "true", "identity.id == 'a'", "true")
	step(0, "true", "identity.id == 'a'")
	step(1, "true", "identity.id == 'b'")
	step(1, "true", "identity.id == 'a'") // the configuration before did not have it

	_, err := c.Keep(Global, rules("true"))
	must(t, err)
	if _, err := c.Keep(Global, rules("true", "identity.id == 'a'")); err == nil {
		t.Error("an expression about access is compiled as a keep rule, because one about access has the same text")
	}
}
