package policytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sreg-project/sreg/internal/policy"
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
	if user.Identity.ID != "alice" || len(user.Request.Tags) != 1 || !user.Allow {
		t.Errorf("got %+v, want the id alice and the tag v1 written", user)
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
		"an alias that contains itself": {"cases: &a [*a]\n", "1:12: : the alias *a contains itself"},
		"claims that contain themselves": {
			"identities: {x: {oidc: {provider_name: a, claims: &c {a: *c}}}}\n", "1:58: : the alias *c contains itself",
		},
		"aliases that grow": {bomb, "the file holds over 1048576 values, aliases written out|nested deeper than 64 levels"},
		"a deep one":        {"cases: [{identity: {oidc: {claims: {a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}}}}]", "nested deeper than 64 levels"},
		"a large one":       {strings.Repeat("#", limits.Bytes+1), "1:0: : the file is over 16777216 bytes"},
		"two documents":     {"cases: []\n---\ncases: []\n", "want one document"},
		"no YAML":           {"cases: [\n", "not valid YAML"},
		"nothing":           {"", "the file is empty"},
		"no case":           {"cases: []\n", "no case, want cases or keep"},
		"a key twice":       {"identities: {a: {username: x}, a: {username: y}}\n", "identities.a: given twice"},
		"a merge key":       {"cases: [{<<: {name: x}}]\n", "1:10: : the merge key << is not understood"},
		"a list as key":     {"? [a]\n: b\n", "1:3: : want a name as key, got a mapping or a list"},
		"a text for a list": {"cases: text\n", "cases: want a list, got \"text\""},
		"an unknown key":    {"csaes: []\n", "csaes: unknown key, did you mean cases?"},
		"two owners":        {"keep: [{name: a, now: 1, images: [], stays: [], namespace: a, repository: a}]\n", "keep[0].repository: given beside namespace"},
		"a name twice": {
			"cases:\n- {name: a, request: {action: list-catalog}, expect: deny}\n- {name: a, request: {action: list-catalog}, expect: deny}\n",
			"3:10: cases[1].name: given twice, first in line 2",
		},
		"a name of images twice": {"keep: [{name: a, now: 1, images: [], stays: []}, {name: a, now: 1, images: [], stays: []}]\n", "keep[1].name: given twice, first in line 1"},
		"reference and a tag":    {"cases: [{name: a, request: {action: get-manifest, namespace: a, tag: a, reference: b}, expect: deny}]\n", "given beside reference"},
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

// seeds are files of cases: those of the scripts, and what sreg policy init writes.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var list [][]byte
	scripts, err := filepath.Glob("../../../testdata/script/policy_*.txtar")
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
	first, err := os.ReadFile("../../../commands/first/tests.yaml")
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
	p := compile(f, policy.Global, policy.Config{Default: "deny", Rules: rules("identity.username != null", "identity.oidc.claims['a'] == request.namespace")})
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
		outcomes, err := NewRunner(&policy.Chain{Global: p}, &policy.KeepChain{}, nil).Run(s)
		if err == nil && len(outcomes) != len(s.Cases)+len(s.Keep) {
			t.Errorf("got %d outcomes of %d cases", len(outcomes), len(s.Cases)+len(s.Keep))
		}
	})
}
