package policy

import (
	"fmt"
	"slices"
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

func TestAnExplanationSaysWhichRankATagHas(t *testing.T) {
	t.Parallel()
	k, err := NewCompiler().Keep(Global, rules("top_pushed_like('^(.+)-[0-9a-f]{7,40}$', 1) || top_version(2) && image.size > 1"))
	must(t, err)
	images := tagged(versions)
	for tag, want := range map[string]string{
		"main-aaaaaaa": "3 none", "main-ddddddd": "1 ", "1.9.0": "none 4", "2.0.0": "none 2", "": "none none",
	} {
		x := NewImages(unix(goldenNow), images).Explain(slices.Index(versions, tag), k)
		got := map[string]string{}
		for _, part := range x[0].Parts {
			got[part.Text] = part.Value
		}
		like, version := got[`rank in top_pushed_like("^(.+)-[0-9a-f]{7,40}$", 1)`], got["rank in top_version(2)"]
		if like+" "+version != want {
			t.Errorf("%q: got %s %s, want %s in %v", tag, like, version, want, x[0].Parts)
		}
	}
}
