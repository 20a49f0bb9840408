package policy

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sreg-project/sreg/internal/access"
)

func TestATestFileIsReadAsTheServerWouldSeeTheRequest(t *testing.T) {
	t.Parallel()
	s, mistakes := ParseSuite([]byte(`
identities:
  alice: {username: alice}
cases:
  - {name: user, identity: alice, request: {action: put-manifest, namespace: a, tag: v1}, expect: allow}
  - name: token
    identity: {oidc: {provider_name: ci, claims: {sub: x, n: 5, deep: {list: [true, null, 1.5]}}}, certificate: {common_names: [cn]}}
    request: {action: list-tags, namespace: a, n: 0, last: v1}
    expect: deny
`))
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	user, token := s.Cases[0], s.Cases[1]
	if user.Identity.ID != "alice" || len(user.Request.Tags) != 1 || user.Request.Method != http.MethodPut || !user.Allow {
		t.Errorf("got %+v, want the id alice and the tag v1 written by PUT", user)
	}
	if id := token.Identity; id.ID != "ci/x" || id.OIDC.Subject != "x" || id.Anonymous() || len(id.Certificate.Fingerprint) != 64 {
		t.Errorf("got %+v, want the id ci/x and a certificate with a fingerprint", id)
	}
	if got := fmt.Sprintf("%T %v", token.Identity.OIDC.Claims["n"], token.Identity.OIDC.Claims["deep"]); got != "float64 map[list:[true <nil> 1.5]]" {
		t.Errorf("got claims %s, want them as JSON has them", got)
	}
	if !token.Request.HasN || token.Request.N != 0 || token.Request.Last != "v1" {
		t.Errorf("got %+v, want a page of 0 after v1", token.Request)
	}
}

func TestATestFileThatHasNoEndIsRefused(t *testing.T) {
	t.Parallel()
	bomb := "cases: []\nidentities:\n  x0: {oidc: {provider_name: a, claims: &a0 {k: v}}}\n"
	for i := 1; i < 40; i++ {
		bomb += fmt.Sprintf("  x%d: {oidc: {provider_name: a, claims: &a%d {a: *a%d, b: *a%d}}}\n", i, i, i-1, i-1)
	}
	for name, tc := range map[string]struct{ content, want string }{
		"an alias that contains itself": {"cases: &a [*a]\n", "1:12: cases[0]: the alias *a contains itself"},
		"claims that contain themselves": {
			"identities: {x: {oidc: {provider_name: a, claims: &c {a: *c}}}}\n", "1:58: identities.x.oidc.claims.a: the alias *c contains itself",
		},
		"aliases that grow":   {bomb, "the file holds over 1048576 values, aliases written out|nested deeper than 32 levels"},
		"a deep one":          {"cases: [{identity: {oidc: {claims: {a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}}}}]", "nested deeper than 32 levels"},
		"a large one":         {strings.Repeat("#", maxFile+1), "1:0: : the file is over 16777216 bytes"},
		"two documents":       {"cases: []\n---\ncases: []\n", "want one document"},
		"no YAML":             {"cases: [\n", "not valid YAML"},
		"nothing":             {"", "the file is empty"},
		"no case":             {"cases: []\n", "no case, want cases or keep"},
		"a key twice":         {"identities: {a: {username: x}, a: {username: y}}\n", "identities.a: given twice"},
		"a merge key":         {"cases: [{<<: {name: x}}]\n", "want a plain name as key"},
		"a list as key":       {"? [a]\n: b\n", "want a plain name as key"},
		"a text for a list":   {"cases: text\n", "cases: want a list, got \"text\""},
		"an unknown key":      {"csaes: []\n", "csaes: unknown key, did you mean cases?"},
		"two owners":          {"keep: [{name: a, now: 1, images: [], stays: [], namespace: a, repository: a}]\n", "keep[0].repository: given beside namespace"},
		"reference and a tag": {"cases: [{name: a, request: {action: get-manifest, namespace: a, tag: a, reference: b}, expect: deny}]\n", "given beside reference"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, mistakes := ParseSuite([]byte(tc.content))
			if len(mistakes) == 0 {
				t.Fatal("is taken")
			}
			got := ""
			for _, m := range mistakes {
				got += fmt.Sprintf("%d:%d: %s: %s\n", m.Line, m.Column, m.Key, m.Message)
			}
			for want := range strings.SplitSeq(tc.want, "|") {
				if strings.Contains(got, want) {
					return
				}
			}
			t.Errorf("got %s\nwant %s", got, tc.want)
		})
	}
}

func TestWhatOneImageOfManyKeepsIt(t *testing.T) {
	t.Parallel()
	global, err := CompileKeep(Global, rules("image.annotations['keep'] == 'yes'", "'linux/arm64' in image.platforms"))
	must(t, err)
	hub, err := CompileKeep("hub", rules("image.size < 10", "top_pushed(1)"))
	must(t, err)
	images := []Image{
		{Tag: "a", PushedAt: 5, Size: 5, Annotations: map[string]string{}},
		{Tag: "b", PushedAt: 5, Size: 50, Annotations: map[string]string{"keep": "no"}},
		{Tag: "c", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "no"}},
		{Tag: "d", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "yes"}},
		{Tag: "e", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "no"}, Platforms: []string{"linux/arm64"}},
	}
	var got []string
	for i, d := range DecideKeep(unix(100), images, global, nil, hub) {
		got = append(got, fmt.Sprintf("%s %t %s %d", images[i].Tag, d.Kept, d.Rule, len(d.Failed)))
	}
	want := "a true global/1 1, b false  0, c false  0, d true global/1 0, e true global/2 0"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	for _, d := range DecideKeep(unix(100), images, nil) {
		if !d.Kept {
			t.Error("goes without any rule, want that all stay")
		}
	}
}

// seeds are files of cases: those of the scripts, and what sreg policy init writes.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var list [][]byte
	scripts, err := filepath.Glob("../../testdata/script/policy_*.txtar")
	must(t, err)
	for _, path := range scripts {
		archive, err := txtar.ParseFile(path)
		must(t, err)
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				list = append(list, f.Data)
			}
		}
	}
	first, err := os.ReadFile("../../commands/first/tests.yaml")
	must(t, err)
	if len(list) < 5 {
		t.Fatalf("got %d files, want those of the scripts", len(list))
	}
	return append(list, first)
}

// FuzzSuite reads files of cases and runs what is one: nothing panics, and every mistake has a place.
func FuzzSuite(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	p := compile(f, Global, Config{Default: "deny", Rules: rules("identity.username != null", "identity.oidc.claims['a'] == request.namespace")})
	f.Fuzz(func(t *testing.T, content []byte) {
		s, mistakes := ParseSuite(content)
		if (s == nil) == (len(mistakes) == 0) {
			t.Fatalf("got %v and %v, want one of them", s, mistakes)
		}
		for _, m := range mistakes {
			if m.Line < 1 || m.Message == "" {
				t.Errorf("got %+v, want a place and a message", m)
			}
		}
		if s == nil {
			return
		}
		outcomes, err := (&Runner{Chain: &Chain{Global: p}, Keep: &KeepChain{}}).Run(s)
		if err == nil && len(outcomes) != len(s.Cases)+len(s.Keep) {
			t.Errorf("got %d outcomes of %d cases", len(outcomes), len(s.Cases)+len(s.Keep))
		}
	})
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
		p, err := Compile(Global, Config{Default: "deny", Rules: rules(expr)})
		if err == nil {
			d := p.Decide(&q)
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
		if k, err := CompileKeep(Global, rules(expr)); err == nil {
			k.Decide(unix(goldenNow), []Image{{Tag: "v1", PushedAt: 1}})
		}
	})
}
