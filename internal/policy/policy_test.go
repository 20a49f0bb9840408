package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

func rules(exprs ...string) []RuleConfig {
	var list []RuleConfig
	for _, e := range exprs {
		list = append(list, RuleConfig{Expr: e})
	}
	return list
}

func compile(t testing.TB, scope string, cfg Config) *Policy {
	t.Helper()
	p, err := NewCompiler().Policy(scope, cfg)
	must(t, err)
	return p
}

func pull(t testing.TB, username, namespace string) Question {
	t.Helper()
	return Question{
		Identity: access.Identity{ID: username, Username: username, Groups: []string{"dev", "ops"}, ClientIP: netip.MustParseAddr("::ffff:10.1.2.3")},
		Request: access.Request{
			Action: access.GetManifest, Namespace: parse(t, oci.ParseName, namespace), Reference: parse(t, oci.ParseReference, "v1"),
		},
	}
}

func TestWhatAPolicyDecides(t *testing.T) {
	t.Parallel()
	const fails = "identity.oidc.claims['a'] == 'b'"
	const alice, bob = "identity.username == 'alice'", "identity.username == 'bob'"
	cases := []struct {
		name   string
		config Config
		want   string
	}{
		{"deny without a rule denies", Config{Default: "deny"}, "false "},
		{"allow without a rule allows", Config{Default: "allow"}, "true "},
		{"a true rule allows under deny", Config{Default: "deny", Rules: rules(bob, alice)}, "true hub/2"},
		{"a true rule denies under allow", Config{Default: "allow", Rules: rules(bob, alice)}, "false hub/2"},
		{"the first true rule decides", Config{Default: "deny", Rules: []RuleConfig{{Name: "first", Expr: alice}, {Expr: alice}}}, "true first"},
		{"a false rule decides nothing", Config{Default: "allow", Rules: rules(bob)}, "true "},
		{"a rule that fails is skipped", Config{Default: "deny", OnError: "skip", Rules: rules(fails, alice)}, "true hub/2 after hub/1"},
		{"a rule that fails is skipped under allow, too", Config{Default: "allow", OnError: "skip", Rules: rules(fails)}, "true  after hub/1"},
		{"a rule that fails denies if that was said", Config{Default: "deny", OnError: "deny", Rules: rules(fails, alice)}, "false hub/1 after hub/1"},
		{"a rule that fails denies if that was said under allow, too", Config{Default: "allow", OnError: "deny", Rules: rules(fails)}, "false hub/1 after hub/1"},
		{"a rule behind the one that decides is not asked", Config{Default: "deny", OnError: "deny", Rules: rules(alice, fails)}, "true hub/1"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := pull(t, "alice", "team/app")
			d := compile(t, "hub", tc.config).Decide(&q)
			got := fmt.Sprintf("%t %s", d.Allowed, d.Rule)
			for _, f := range d.Failed {
				got += " after " + f.Rule
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhatExpressionsSay(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"request.namespace.glob('team/*')":                                        "true",
		"request.namespace.glob('team')":                                          "false",
		"request.namespace.glob('**')":                                            "true",
		"identity.client_ip == '10.1.2.3'":                                        "true",
		"identity.client_ip.in_cidr('10.0.0.0/8')":                                "true",
		"identity.client_ip.in_cidr('10.2.0.0/16')":                               "false",
		"identity.username.in_cidr('10.0.0.0/8')":                                 "error",
		"identity.groups.contains('ops')":                                         "true",
		"identity.groups.contains('op')":                                          "false",
		"request.namespace.contains('am/ap')":                                     "true",
		"'v1.2.3'.is_semver() && '1.2.3-rc.1+x'.is_semver()":                      "true",
		"'v1'.is_semver() || '1.2'.is_semver() || 'latest'.is_semver()":           "false",
		"'1.2.0-rc.1'.is_prerelease() && !'1.2.0'.is_prerelease()":                "true",
		"'v1.10.0'.semver_compare('1.9.0') > 0":                                   "true",
		"request.reference.semver_compare('1.0.0') > 0":                           "error",
		"has(identity.oidc)":                                                      "false",
		"has(identity.certificate) && identity.certificate.serial == null":        "true",
		"identity.groups.exists(g, g == 'ops')":                                   "true",
		"identity == null":                                                        "false",
		"identity.certificate == identity.certificate":                            "true",
		"request.tags == []":                                                      "true",
		"identity.groups.map(a, identity.groups.map(b, a + b)).size() == 2":       "true",
		"identity.groups.all(a, [1,2,3,4,5,6,7,8,9,10].map(b, b * 2).size() > 1)": "true",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			q := pull(t, "alice", "team/app")
			if got := outcome(compile(t, Global, Config{Default: "deny", Rules: rules(expr)}), q); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestARuleThatCostsTooMuchFails(t *testing.T) {
	t.Parallel()
	q := pull(t, "alice", "team/app")
	for range 1000 {
		q.Identity.Groups = append(q.Identity.Groups, "group")
	}
	p := compile(t, Global, Config{Default: "deny", Rules: rules("identity.groups.all(a, identity.groups.all(b, a != 'x' && b != 'x'))")})
	d := p.Decide(&q)
	if len(d.Failed) != 1 || !strings.Contains(d.Failed[0].Err.Error(), "cost limit") {
		t.Errorf("got %+v, want that the rule fails by its cost", d)
	}
}

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"*", "a/b", false},
		{"**", "a/b/c", true},
		{"**", "", true},
		{"a/**", "a/b/c", true},
		{"a/**", "a", false},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/z", false},
		{"*/app", "team/app", true},
		{"*/app", "team/sub/app", false},
		{"team-?/*", "team-1/x", true},
		{"team-?/*", "team-12/x", false},
		{"a?b", "a/b", false},
		{"*b*", "abc", true},
		{"a*b*c", "aXbYc", true},
		{"a.c", "abc", false},
		{"[a]", "[a]", true},
		{"***", "a/b", true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 300), false},
	} {
		if got := matchGlob(tc.pattern, tc.text); got != tc.want {
			t.Errorf("%q on %q: got %t, want %t", tc.pattern, tc.text, got, tc.want)
		}
	}
}

func TestEveryMistakeIsToldWithItsPlaceAndAWayOut(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"identity.usernam == 'x'":                      "1:10: unknown field identity.usernam: did you mean identity.username?",
		"identity.certificate.comon_names.size() > 0":  "1:22: unknown field identity.certificate.comon_names: did you mean identity.certificate.common_names?",
		"true &&\n  request.tgs == []":                 "2:11: unknown field request.tgs: did you mean request.tags?",
		"identity.nme == 'x'":                          "1:10: unknown field identity.nme: identity has id, username, client_ip, groups, certificate, oidc",
		"identiy.username == 'a'":                      "1:1: unknown word identiy: did you mean identity?",
		"identity.username.startWith('x')":             "1:19: unknown function startWith: did you mean startsWith?",
		"has_repository_polcy()":                       "1:1: unknown function has_repository_polcy: did you mean has_repository_policy?",
		"has_repository_policy(1)":                     "1:1: has_repository_policy does not take (int): write has_repository_policy()",
		"identity.username.startsWith(1)":              "1:19: startsWith does not take (int) behind a string or null: write string.startsWith(string)",
		"request.namespace.startsWith()":               "1:19: startsWith does not take (nothing) behind a string or null: write string.startsWith(string)",
		"request.namespace.glob(1)":                    "1:19: glob does not take (int) behind a string or null: write text.glob(pattern)",
		"request.action + 1":                           "1:16: + does not take (string, int)",
		"identity.username == 3":                       "1:19: == does not take (string or null, int): a text stands in quotes, a number does not",
		"request.tags == 'x'":                          "1:14: == does not take (list of string, string)",
		"identity.username && true":                    "1:9: want bool, got string or null",
		"identity.username":                            "1:1: want true or false, this is a string or null: compare it, as in ... == 'x' or ... != null",
		"identity.oidc.claims['admin']":                "1:1: want true or false, this is anything: compare it, as in ... == true",
		"identity.oidc":                                "1:1: want true or false, this is an identity.oidc",
		"identity.username ==":                         "1:21: the expression ends too early",
		"":                                             "1:1: the expression ends too early",
		"request.action = 'x'":                         "1:16: unexpected \"= \"",
		"foo bar":                                      "1:5: unexpected \"bar\"",
		"identity.id == 'abc":                          "1:16: the text 'abc does not end",
		"has(identity)":                                "1:5: has() wants a field: write has(request.namespace)",
		"request.tags.exists(t, t.nme == 'x')":         "1:25: a string has no fields",
		"identity.client_ip.in_cidr('10.0.0.0/33')":    "1:28: want a network such as 10.0.0.0/8, got \"10.0.0.0/33\"",
		"identity.username.matches('(')":               "1:27: want a regular expression, got \"(\": error parsing regexp: missing closing ): `(`",
		"request.reference.semver_compare('1.2') == 0": "1:34: want a semantic version such as 1.2.3, got \"1.2\"",
		"image.tag == 'x'":                             "1:1: unknown word image: the words are identity, request; a text stands in quotes",
		"é == 'x'":                                     "1:1: unexpected \"é\"",
		"'é' == 'x' && identity.usernam == 'x'":        "1:24: unknown field identity.usernam: did you mean identity.username?",
		strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200): "",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			_, err := NewCompiler().Policy(Global, Config{Rules: rules("true", expr)})
			var failed *CompileError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a *CompileError", err)
			}
			m := failed.Mistakes[0]
			got := fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m)
			if m.Rule != 1 || m.Name != "global/2" || (want != "" && got != want) {
				t.Errorf("got rule %d called %s, %s\nwant %s", m.Rule, m.Name, got, want)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := NewCompiler().Policy("hub", Config{Rules: []RuleConfig{{Expr: "a && b"}, {Expr: "true"}, {Name: "third", Expr: "1"}}})
	want := "rule hub/1: line 1, column 1: unknown word a: the words are identity, request; a text stands in quotes\n" +
		"rule hub/1: line 1, column 6: unknown word b: the words are identity, request; a text stands in quotes\n" +
		"rule third: line 1, column 1: want true or false, this is an int"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAPolicyOfTooManyRulesIsRefused(t *testing.T) {
	t.Parallel()
	cfg := Config{Rules: make([]RuleConfig, maxRules+1)}
	if _, err := NewCompiler().Policy(Global, cfg); err == nil || !strings.Contains(err.Error(), "want at most 10000 rules, got 10001") {
		t.Errorf("got %v", err)
	}
	var told string
	cfg.Validate(func(path, problem string) { told = path + ": " + problem })
	if !strings.HasPrefix(told, "rules: want at most 10000 rules, got 10001: ") {
		t.Errorf("got %q", told)
	}
}

func TestAPolicyIsAskedByManyAtOnce(t *testing.T) {
	t.Parallel()
	p := compile(t, Global, Config{Default: "deny", Rules: rules("identity.groups.exists(g, g == 'ops') && request.namespace.glob('team/*')")})
	done := make(chan bool)
	for range 8 {
		go func() { // ends after its questions
			ok := true
			for range 100 {
				q := pull(t, "alice", "team/app")
				ok = ok && p.Decide(&q).Allowed
			}
			done <- ok
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("denied, want allowed")
		}
	}
}
