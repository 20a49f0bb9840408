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
	got := fmt.Sprintf("%d of %d, %.0f: %s", report.Decided, report.Rules, report.Percent, strings.Join(report.NeverDecided, " "))
	if want := "3 of 5, 60: global/1 keep global/2"; got != want || len(outcomes) != 2 {
		t.Errorf("got %s in %d cases, want %s in 2", got, len(outcomes), want)
	}
	if len(report.NeverAsked) != len(policy.Actions())-1 {
		t.Errorf("got %d actions never asked, want all but get-blob", len(report.NeverAsked))
	}
}

func TestRulesOfACaseCoverNoneOfTheConfig(t *testing.T) {
	t.Parallel()
	k := keepRules(t, "keep", "top_pushed(1)")
	r := NewRunner(&policy.Chain{}, &policy.KeepChain{Repositories: oci.Prefixes[*policy.Keep]{name(t, "keep"): k}}, nil)
	_, err := r.Run(suite(t, "keep: [{name: a, now: 1, rules: [top_pushed(1)], images: [{tag: x, pushed_at: 1}], stays: [x]}]"))
	must(t, err)
	if got := r.Report(); got.Rules != 1 || got.Decided != 0 || len(got.NeverAsked) > 0 {
		t.Errorf("got %+v, want one rule that decided nothing, and no action", got)
	}
}
