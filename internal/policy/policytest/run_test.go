package policytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func name(t *testing.T, text string) oci.Name {
	t.Helper()
	n, err := oci.ParseName(text)
	must(t, err)
	return n
}

func rules(exprs ...string) []policy.RuleConfig {
	var list []policy.RuleConfig
	for _, e := range exprs {
		list = append(list, policy.RuleConfig{Expr: e})
	}
	return list
}

func compile(t testing.TB, scope string, cfg policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.NewCompiler().Policy(scope, cfg)
	must(t, err)
	return p
}

func keepRules(t testing.TB, scope string, exprs ...string) *policy.Keep {
	t.Helper()
	k, err := policy.NewCompiler().Keep(scope, rules(exprs...))
	must(t, err)
	return k
}

func suite(t *testing.T, text string) *Suite {
	t.Helper()
	s, mistakes := ParseSuite([]byte(text))
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return s
}

func TestCasesAreComparedWithAllThatTheyExpect(t *testing.T) {
	t.Parallel()
	global := compile(t, policy.Global, policy.Config{Default: "deny", Rules: []policy.RuleConfig{{Name: "named", Expr: "identity.username != null"}, {Expr: "request.namespace.startsWith('open')"}}})
	guarded := compile(t, "open/guarded", policy.Config{Default: "allow", Webhook: "guard"})
	r := NewRunner(&policy.Chain{Global: global, Repositories: oci.Prefixes[*policy.Policy]{name(t, "open/guarded"): guarded}}, &policy.KeepChain{}, nil)
	undecided := "the policies allow, and webhook guard decides: say what it answers with webhook: allow, deny or error"
	notAsked := "the case says what a webhook answers, and none is asked here: leave out webhook, or name one in policy.webhook of the config"
	for line, want := range map[string]string{
		`request: {action: get-blob, namespace: a}, expect: deny`:                                                         "",
		`request: {action: get-blob, namespace: a}, expect: deny, stage: global`:                                          "",
		`request: {action: get-blob, namespace: a}, expect: deny, stage: none`:                                            "want deny in stage none, got deny: no rule of the global policy is true",
		`request: {action: get-blob, namespace: a}, expect: deny, rule: named`:                                            "want deny by rule named, got deny: no rule of the global policy is true",
		`request: {action: get-blob, namespace: open}, expect: allow, rule: global/2`:                                     "",
		`request: {action: get-blob, namespace: open}, expect: allow, rule: named`:                                        "want allow by rule named, got allow: by rule global/2 of the global policy",
		`request: {action: get-blob, namespace: open}, expect: deny`:                                                      "want deny, got allow: by rule global/2 of the global policy",
		`request: {action: get-blob, namespace: open}, expect: deny, rule: nmaed`:                                         "no rule is called nmaed, did you mean named?",
		`request: {action: get-blob, namespace: open/guarded}, webhook: allow, expect: allow, stage: webhook`:             "",
		`request: {action: get-blob, namespace: open/guarded}, webhook: allow, expect: allow, rule: guard`:                "",
		`request: {action: get-blob, namespace: open/guarded}, webhook: deny, expect: allow`:                              "want allow, got deny: webhook guard, as the case says",
		`request: {action: get-blob, namespace: open/guarded}, webhook: error, expect: deny, stage: repository`:           "want deny in stage repository, got deny: webhook guard, as the case says",
		`request: {action: get-blob, namespace: open/guarded}, expect: allow`:                                             undecided,
		`request: {action: get-blob, namespace: open/guarded}, expect: deny`:                                              undecided,
		`request: {action: get-blob, namespace: open}, webhook: allow, expect: allow`:                                     notAsked,
		`request: {action: get-blob, namespace: open}, webhook: deny, expect: deny`:                                       notAsked,
		`request: {action: mount-blob, namespace: open, from: open/guarded}, webhook: deny, expect: deny, stage: webhook`: "",
		`request: {action: mount-blob, namespace: open, from: open/guarded}, expect: allow`:                               undecided,
		`request: {action: get-blob, namespace: a}, webhook: allow, expect: allow`:                                        "want allow, got deny: no rule of the global policy is true",
		`request: {action: mount-blob, namespace: open, from: a}, expect: allow`:                                          "want allow, got deny: no rule of the global policy is true",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			own := NewRunner(r.chain, r.keep, nil)
			outcomes, err := own.Run(suite(t, "cases: [{name: a, "+line+"}]"))
			must(t, err)
			if o := outcomes[0]; o.Problem != want || o.Passed != (want == "") || o.Passed != (len(o.Stages) == 0) {
				t.Errorf("got %q, passed %t, %d stages explained, want %q", o.Problem, o.Passed, len(o.Stages), want)
			}
		})
	}
}

// TestAnUploadInOneRequestAsksForItsEnd wants what the server asks, too.
func TestAnUploadInOneRequestAsksForItsEnd(t *testing.T) {
	t.Parallel()
	global := compile(t, policy.Global, policy.Config{Default: "deny", Rules: rules("request.action == 'start-upload'", "request.action == 'complete-upload' && request.namespace == 'b'")})
	r := NewRunner(&policy.Chain{Global: global}, &policy.KeepChain{}, nil)
	outcomes, err := r.Run(suite(t, fmt.Sprintf(`cases:
  - {name: a begin, request: {action: start-upload, namespace: a}, expect: allow}
  - {name: a whole blob, request: {action: start-upload, namespace: a, digest: "sha256:%064d"}, expect: deny}
`, 0)))
	must(t, err)
	for _, o := range outcomes {
		if !o.Passed {
			t.Errorf("%s: %s", o.Name, o.Problem)
		}
	}
	if never := r.Report().NeverAsked; !slices.Equal(never, basic) {
		t.Errorf("got %v never asked, want all but the begin and the end of an upload", never)
	}
}

func TestAKeepCaseWithoutRulesFails(t *testing.T) {
	t.Parallel()
	r := NewRunner(&policy.Chain{}, &policy.KeepChain{}, nil)
	s := suite(t, "keep: [{name: a, now: 1, images: [{tag: x, pushed_at: 1}], stays: [x]}]")
	outcomes, err := r.Run(s)
	must(t, err)
	if o := outcomes[0]; o.Passed || !strings.Contains(o.Problem, "give the case rules of its own") {
		t.Errorf("got %+v, want that there are no rules", o)
	}
	s.Keep[0].Rules = rules("image.tgs == 'x'")
	if _, err := r.Run(s); err == nil || !strings.Contains(err.Error(), `case "a": rule keep/1: line 1, column 7`) {
		t.Errorf("got %v, want the mistake in the rule", err)
	}
}

func TestAKeepCaseIsJudgedByTheRulesOfItsNamespace(t *testing.T) {
	t.Parallel()
	keepTag := func(scope, tag string) *policy.Keep { return keepRules(t, scope, "image.tag == '"+tag+"'") }
	r := NewRunner(&policy.Chain{}, &policy.KeepChain{Global: keepTag(policy.Global, "all"), Repositories: oci.Prefixes[*policy.Keep]{
		name(t, "hub"):      keepTag("hub", "hub"),
		name(t, "hub/open"): nil,
		name(t, "hub/own"):  keepTag("hub/own", "own"),
	}}, nil)
	for about, want := range map[string]string{
		"stays: [all]":                                                   "",
		"namespace: hub, stays: [all, hub]":                              "",
		"namespace: hub/x/y, stays: [all, hub]":                          "",
		"namespace: hubble, stays: [all]":                                "",
		"namespace: hub/open/x, stays: [all]":                            "",
		"namespace: hub/own/x, stays: [all, own]":                        "",
		"repository: hub/own, stays: [all, own]":                         "",
		"namespace: hub, stays: [own]":                                   "should stay, but goes: own; should go, but stays: all, hub",
		"repository: hbu, stays: [all]":                                  "no repository is called hbu, did you mean hub?",
		"repository: hub/x, stays: [all]":                                "no repository is called hub/x",
		"rules: [top_pushed(9)], namespace: hub, stays: [all, hub, own]": "",
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			own := NewRunner(r.chain, r.keep, nil)
			outcomes, err := own.Run(suite(t, "keep: [{name: a, now: 9, images: [{tag: all, pushed_at: 1}, {tag: hub, pushed_at: 1}, {tag: own, pushed_at: 1}], "+about+"}]"))
			must(t, err)
			if o := outcomes[0]; o.Problem != want || o.Passed != (want == "") {
				t.Errorf("got %q, passed %t, want %q", o.Problem, o.Passed, want)
			}
		})
	}
}
