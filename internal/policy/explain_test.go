package policy

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatFailsIsExplained(t *testing.T) {
	t.Parallel()
	p := compile(t, Global, Config{Default: "deny", OnError: "deny", Rules: rules(
		"request.tags.exists(t, t == 'x') || has(request.from)", "identity.oidc.claims['a'] == 'b'", "identity.username.startsWith('a')", "true")})
	q := pull(t, "", "team/app")
	explained, verdict := (&Chain{Global: p}).Explain(q)
	var got []string
	for _, r := range explained[0].Rules {
		line := fmt.Sprintf("%s %s %t %s", r.Name, r.Outcome, r.Decides, r.Error)
		for _, part := range r.Parts {
			line += fmt.Sprintf("[%s = %s]", part.Text, part.Value)
		}
		got = append(got, line)
	}
	want := `global/1 false false [request.tags.exists(t, t == "x") = false][request.tags = []][has(request.from) = false]
global/2 error true identity.oidc is null: it has no claims[identity.oidc = null]
global/3 error false a function or operator got a value that it does not take, such as null[identity.username = null]
global/4 true false `
	if s := strings.Join(got, "\n"); s != want || verdict.Allowed {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}
