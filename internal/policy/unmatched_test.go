package policy

import (
	"strings"
	"testing"
)

func TestWhatCanMatchNothingIsFound(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"request.namespace.glob('{hub,team}/**')":                             `request.namespace.glob("{hub,team}/**") is never true: "{" stands for itself in a glob; write several globs with || between them, or matches`,
		"request.namespace.glob('hub/[ab]*')":                                 `"[" stands for itself in a glob`,
		"identity.username.glob('{a,b}')":                                     `"{" stands for itself in a glob`,
		"request.namespace.glob('Team/*')":                                    `no repository name has "T": they are in lower case`,
		"!request.namespace.startsWith('Team/')":                              `request.namespace.startsWith("Team/") is never true: no repository name has "T"`,
		"request.namespace.matches('^(Team|OPS)/')":                           `no repository name has "T"`,
		`request.namespace.matches('[^\\x00-\\x{10FFFF}]')`:                   "it has a class without any character",
		"request.namespace.matches('[A-Z]{2}')":                               `no repository name has "A"`,
		"request.namespace == 'Team'":                                         `request.namespace == "Team" is never true: no repository name has "T"`,
		"'Team' != request.namespace":                                         `is always true: no repository name has "T"`,
		"request.namespace in ['A', 'B']":                                     `no repository name has "A": they are in lower case; no repository name has "B": they are in lower case`,
		"request.namespace.glob('/team/*')":                                   "no repository name begins with a slash",
		"request.namespace.endsWith('app/')":                                  "no repository name ends with a slash",
		"request.from.contains('a//b')":                                       "no repository name has two slashes in a row",
		"request.tags.exists(t, t.glob('v{1,2}'))":                            `t.glob("v{1,2}") is never true: "{" stands for itself`,
		"request.tags.all(t, t == 'a/b')":                                     `no tag has "/"`,
		"request.reference == 'v1 '":                                          `no tag or digest has " "`,
		"request.action.startsWith('pull')":                                   `request.action.startsWith("pull") is never true: it fits no action; a pull is get-manifest and get-blob`,
		"request.action.glob('*-image')":                                      "it fits no action",
		"request.action == 'healthz'":                                         "no policy is asked about healthz",
		"identity.oidc.claims.sub.glob('repo:{a}:*')":                         `"{" stands for itself`,
		"request.namespace.glob('a*') || request.namespace == 'b'":            "",
		"request.namespace.startsWith('team/') || request.tags.contains('')":  "",
		"request.namespace in ['Team', 'team', identity.username]":            "",
		"request.namespace.matches('(?i)^team/[a-z]+/?$')":                    "",
		"request.namespace.matches('^(Team|team)/')":                          "",
		"request.namespace.glob(identity.username + '/{a}')":                  "",
		"request.reference == 'sha256:aa' || request.reference.glob('V?.*')":  "",
		"request.action.startsWith('get-') || request.action.matches('blob')": "",
		"request.action in ['healthz', 'get-blob']":                           "",
		"identity.username.contains('{')":                                     "",
		"identity.groups.exists(t, t.glob('A/*')) && request.tags == []":      "",
	} {
		p := compile(t, Global, Config{Rules: rules(expr)})
		got := strings.Join(p.Unmatched(0), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
	keep, err := NewCompiler().Keep(Global, rules("image.tag.glob('{a,b}')"))
	must(t, err)
	if got := keep.Unmatched(0); len(got) != 1 {
		t.Errorf("got %q of a keep rule, want one part", got)
	}
}
