package policy

import "testing"

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
