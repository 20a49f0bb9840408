package policytest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
)

func TestCoverageCountsTheRulesThatDecided(t *testing.T) {
	t.Parallel()
	global := compile(t, policy.Global, policy.Config{Default: "deny", Rules: rules("request.namespace == 'a'", "request.namespace == 'b'")})
	keep, hub := keepRules(t, policy.Global, "image.tag == 'x'", "image.tag == 'y'"), keepRules(t, "hub", "image.size > 5")
	r := NewRunner(&policy.Chain{Global: global}, &policy.KeepChain{Global: keep, Repositories: oci.Prefixes[*policy.Keep]{name(t, "hub"): hub}}, regexp.MustCompile("^run"))
	outcomes, err := r.Run(suite(t, `
cases:
  - {name: run b, request: {action: get-blob, namespace: b}, expect: allow}
  - {name: not this, request: {action: get-blob, namespace: a}, expect: allow}
keep:
  - name: run keep
    repository: hub
    now: 100
    images: [{tag: x, pushed_at: 1}, {tag: z, pushed_at: 1, size: 9}, {tag: w, pushed_at: 1}]
    stays: [x, z]
`))
	must(t, err)
	for _, o := range outcomes {
		if !o.Passed {
			t.Errorf("%s: %s", o.Name, o.Problem)
		}
	}
	report := r.Report()
	for what, of := range map[string]struct {
		got  RuleCoverage
		want string
	}{"access": {report.RuleCoverage, "1 of 2, 50: global/1"}, "keep": {report.Keep, "2 of 3, 67: global/2"}} {
		got := fmt.Sprintf("%d of %d, %.0f: %s", of.got.Decided, of.got.Rules, of.got.Percent, strings.Join(of.got.NeverDecided, " "))
		if got != of.want || len(outcomes) != 2 {
			t.Errorf("%s: got %s in %d cases, want %s in 2", what, got, len(outcomes), of.want)
		}
	}
	if got := strings.Join(report.NeverAsked, " "); got != "get-manifest put-manifest delete-manifest" {
		t.Errorf("got %s never asked, want what every policy decides about", got)
	}
}

func TestRulesOfACaseCoverNoneOfTheConfig(t *testing.T) {
	t.Parallel()
	k := keepRules(t, "keep", "top_pushed(1)")
	r := NewRunner(&policy.Chain{}, &policy.KeepChain{Repositories: oci.Prefixes[*policy.Keep]{name(t, "keep"): k}}, nil)
	_, err := r.Run(suite(t, "keep: [{name: a, now: 1, rules: [top_pushed(1)], images: [{tag: x, pushed_at: 1}], stays: [x]}]"))
	must(t, err)
	if got := r.Report(); got.Keep.Rules != 1 || got.Keep.Decided != 0 || len(got.NeverAsked) > 0 {
		t.Errorf("got %+v, want one rule that decided nothing, and no action", got)
	}
}

// TestActionsThatRulesSpeakOfAreToBeAsked: those of parts that are not there are not.
func TestActionsThatRulesSpeakOfAreToBeAsked(t *testing.T) {
	t.Parallel()
	global := compile(t, policy.Global, policy.Config{Default: "deny", Rules: rules("request.action.startsWith('list-') || request.action in ['get-blob', 'mount-blob']")})
	r := NewRunner(&policy.Chain{Global: global}, &policy.KeepChain{}, nil)
	_, err := r.Run(suite(t, "cases: [{name: a, request: {action: mount-blob, namespace: a, from: b}, expect: allow}, {name: b, request: {action: put-manifest, namespace: a}, expect: deny}]"))
	must(t, err)
	if got := strings.Join(r.Report().NeverAsked, " "); got != "get-manifest delete-manifest list-tags list-catalog" {
		t.Errorf("got %s", got)
	}
}
