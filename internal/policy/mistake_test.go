package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestEveryMistakeIsToldWithItsPlaceAndAWayOut(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"identity.usernam == 'x'":                     "1:10: unknown field identity.usernam: did you mean identity.username?",
		"identity.certificate.comon_names.size() > 0": "1:22: unknown field identity.certificate.comon_names: did you mean identity.certificate.common_names?",
		"true &&\n  request.tgs == []":                "2:11: unknown field request.tgs: did you mean request.tags?",
		"identity.nme == 'x'":                         "1:10: unknown field identity.nme: identity has id, username, client_ip, groups, certificate, oidc",
		"identiy.username == 'a'":                     "1:1: unknown word identiy: did you mean identity?",
		"identity.username.startWith('x')":            "1:19: unknown function startWith: did you mean startsWith?",
		"has_repository_polcy()":                      "1:1: unknown function has_repository_polcy: did you mean has_repository_policy?",
		"has_repository_policy(1)":                    "1:1: has_repository_policy does not take (int): write has_repository_policy()",
		"identity.username.startsWith(1)":             "1:19: startsWith does not take (int) behind a string or null: write string.startsWith(string)",
		"request.namespace.startsWith()":              "1:19: startsWith does not take (nothing) behind a string or null: write string.startsWith(string)",
		"request.namespace.glob(1)":                   "1:19: glob does not take (int) behind a string or null: write text.glob(pattern)",
		"request.action + 1":                          "1:16: + does not take (string, int)",
		"identity.username == 3":                      "1:19: == does not take (string or null, int): a text stands in quotes, a number does not",
		"request.tags == 'x'":                         "1:14: == does not take (list of string, string): write 'x' in request.tags",
		"identity.username && true":                   "1:9: want bool, got string or null",
		"identity.username":                           "1:1: want true or false, this is a string or null: compare it, as in ... == 'x' or ... != null",
		"identity.oidc.claims['admin']":               "1:1: want true or false, this is anything: compare it, as in ... == true",
		"identity.oidc":                               "1:1: want true or false, this is an identity.oidc",
		"identity.username ==":                        "1:21: the expression ends too early",
		"":                                            "1:1: the expression ends too early",
		"request.action = 'x'":                        "1:16: unexpected \"=\": write ==",
		"foo bar":                                     "1:5: unexpected \"bar\"",
		"identity.id == 'abc":                         "1:16: the text 'abc does not end",
		"has(identity)":                               "1:5: has() wants a field: write has(request.namespace)",
		"request.tags.exists(t, t.nme == 'x')":        "1:25: a string has no fields",
		"identity.client_ip.in_cidr('10.0.0.0/33')":   "1:28: want a network such as 10.0.0.0/8, got \"10.0.0.0/33\"",
		"identity.username.matches('" + strings.Repeat("(a|b){900}", 9) + "')": "1:27: want a smaller regular expression: at most 10000 instructions, got 24302",
		"identity.username.matches('(')":                                       "1:27: want a regular expression, got \"(\": error parsing regexp: missing closing ): `(`",
		"request.reference.semver_compare('1.2') == 0":                         "1:34: want a semantic version such as 1.2.3, got \"1.2\"",
		"request.action == 'pull'":                                             "1:19: unknown action \"pull\": a pull is get-manifest and get-blob",
		"'get-manifst' != request.action":                                      "1:1: unknown action \"get-manifst\": did you mean get-manifest?",
		"request.action in ['get-blob', 'PULL']":                               "1:32: unknown action \"PULL\": a pull is get-manifest and get-blob",
		"['delete'].contains(request.action)":                                  "1:2: unknown action \"delete\": a delete is delete-manifest or delete-blob",
		"image.tag == 'x'":                                                     "1:1: unknown word image: the words are identity, request; a text stands in quotes",
		"é == 'x'":                                                             "1:1: unexpected \"é\"",
		"'é' == 'x' && identity.usernam == 'x'":                                "1:24: unknown field identity.usernam: did you mean identity.username?",
		strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200):           "",
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

func TestTheWordsOfOtherLanguagesAreAnsweredWithThoseOfCEL(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"identity.username = 'x'":                      "1:19: unexpected \"=\": write ==",
		"identity.username === 'x'":                    "1:21: unexpected \"=\": write ==",
		"identity.username <> 'x'":                     "1:20: unexpected \">\": write !=",
		"identity.username is null":                    "1:19: unexpected \"is\": write ==",
		"identity.username is  not null":               "1:19: unexpected \"is\": write !=",
		"true and false":                               "1:6: unexpected \"and\": write &&",
		"true AND false":                               "1:6: unexpected \"AND\": write &&",
		"true & false":                                 "1:6: unexpected \"&\": write &&",
		"true or false":                                "1:6: unexpected \"or\": write ||",
		"true | false":                                 "1:6: unexpected \"|\": write ||",
		"not true":                                     "1:5: unexpected \"true\": write !",
		"true && not identity.username == 'x'":         "1:13: unexpected \"identity\": write !",
		"not(true)":                                    "1:1: unknown function not: write !",
		"'dev' not in identity.groups":                 "1:7: unexpected \"not\": write !( ... in ... )",
		"identity.groups == 'dev'":                     "1:17: == does not take (list of string, string): write 'dev' in identity.groups",
		"'dev' == identity.groups":                     "1:7: == does not take (string, list of string): write 'dev' in identity.groups",
		"identity.groups != 'dev'":                     "1:17: != does not take (list of string, string): write !('dev' in identity.groups)",
		"request.tags == identity.username":            "1:14: == does not take (list of string, string or null): write identity.username in request.tags",
		"identity.groups in ['dev']":                   "1:17: in does not take (list of string, list of string): write identity.groups.exists(x, x in ['dev'])",
		"request.action in 'get-blob'":                 "1:16: in does not take (string, string): write request.action in ['get-blob']",
		"request.action in ('get-blob', 'put-blob')":   "1:30: unexpected \",\": a list stands in [ ]",
		"request.namespace =~ 'web'":                   "1:19: unexpected \"=~\": write text.matches(pattern)",
		"request.namespace like 'web'":                 "1:19: unexpected \"like\": write text.glob(pattern)",
		"identity.groups contains 'dev'":               "1:17: unexpected \"contains\": write text.contains(part)",
		"identity.username == None":                    "1:22: unknown word None: write null",
		"identity.username == nil":                     "1:22: unknown word nil: write null",
		"identity.username == ‘x’":                     "1:22: unexpected \"‘\": write ' around a text",
		"true; false":                                  "1:5: unexpected \";\": a rule is one expression: write && or || between its parts",
		"if true":                                      "1:1: reserved identifier: if: a rule is the condition alone, true where it allows",
		"true &&\n  identity.username = 'x'":           "2:21: unexpected \"=\": write ==",
		"request.namespace == 'and' && identity.nme":   "1:40: unknown field identity.nme: identity has id, username, client_ip, groups, certificate, oidc",
		"'x = y' == request.namespace && identity.nme": "1:42: unknown field identity.nme: identity has id, username, client_ip, groups, certificate, oidc",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			_, err := NewCompiler().Policy(Global, Config{Rules: rules(expr)})
			var failed *CompileError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a *CompileError", err)
			}
			m := failed.Mistakes[0]
			if got := fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
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

func TestMistakesInKeepRulesArePointedAt(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"image.pushd_at > 1":                        "1:7: unknown field image.pushd_at: did you mean image.pushed_at?",
		"semver(image.tag).mayor == 1":              "1:19: unknown field semver(...).mayor: did you mean semver(...).major?",
		"semver(image.tag).x == 1":                  "1:19: unknown field semver(...).x: semver(...) has valid, is_release, is_prerelease, major, minor, patch, prerelease",
		"semver(image.size).valid":                  "1:1: semver does not take (int): write semver(text)",
		"semvar(image.tag).valid":                   "1:1: unknown function semvar: did you mean semver?",
		"semver(image.tag)":                         "1:1: want true or false, this is a semver",
		"semver == null":                            "1:1: unknown word semver: the words are image; a text stands in quotes",
		"top_versin(1)":                             "1:1: unknown function top_versin: did you mean top_version?",
		"top_version('1')":                          "1:1: top_version does not take (string): write top_version(n)",
		"true && top_of_minor(1, 2)":                "1:9: top_of_minor does not take (int, int): write top_of_minor(n)",
		"top_of_major()":                            "1:1: top_of_major does not take (nothing): write top_of_major(n)",
		"top_pushed_like(10, '^x')":                 "1:1: top_pushed_like does not take (int, string): write top_pushed_like(pattern, n)",
		"top_pushed_like('(', 10)":                  "1:17: want a regular expression, got \"(\": error parsing regexp: missing closing ): `(`",
		"top_pushed_like(image.tag, 10)":            "1:22: top_pushed_like wants its pattern written as one text in quotes",
		"top_pushed_like('((a{100}){100}){2}', 10)": "1:17: want a regular expression, got \"((a{100}){100}){2}\": error parsing regexp: invalid repeat count: `{100}`",
		"top_pushed_like('" + strings.Repeat("(a|b){900}", 9) + "', 1)": "1:17: want a smaller regular expression: at most 10000 instructions, got 24302",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			_, err := NewCompiler().Keep(Global, rules("true", expr))
			var failed *CompileError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a *CompileError", err)
			}
			m := failed.Mistakes[0]
			if got := fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m); got != want || m.Name != "global/2" {
				t.Errorf("got %s of %s\nwant %s", got, m.Name, want)
			}
		})
	}
}
