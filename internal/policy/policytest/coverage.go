package policytest

import (
	"slices"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/policy"
)

// Coverage is which rules decided something, and which actions were asked. The zero value has seen
// nothing.
type Coverage struct {
	decided map[string]bool
	asked   map[access.Action]bool
}

// note remembers what a case used.
func (c *Coverage) note(action access.Action, steps []policy.Step) {
	if c.asked == nil {
		c.asked = map[access.Action]bool{}
	}
	c.asked[action] = true
	for _, s := range steps {
		if s.Stage != access.StageWebhook {
			c.decide(s.Scope, s.Rule)
		}
	}
}

func (c *Coverage) decide(scope, rule string) {
	if c.decided == nil {
		c.decided = map[string]bool{}
	}
	if rule != "" {
		c.decided[scope+"\x00"+rule] = true
	}
}

// keepScope tells keep rules from rules about access, which may have the same names.
func keepScope(scope string) string { return "keep " + scope }

// CoverageReport is what no case touched.
type CoverageReport struct {
	Rules        int      `json:"rules"`
	Decided      int      `json:"decided"`
	Percent      float64  `json:"percent"` // of the rules; 100 without any
	NeverDecided []string `json:"rules_never_decided"`
	NeverAsked   []string `json:"actions_never_asked"`
}

// Report compares what was used with what there is.
func (r *Runner) Report() CoverageReport {
	report := CoverageReport{NeverDecided: []string{}, NeverAsked: []string{}}
	count := func(scope, prefix string, names []string) {
		for _, name := range names {
			report.Rules++
			if r.Coverage.decided[scope+"\x00"+name] {
				report.Decided++
				continue
			}
			report.NeverDecided = append(report.NeverDecided, prefix+name)
		}
	}
	for _, p := range r.Chain.Policies() {
		count(p.Scope, "", p.RuleNames())
	}
	for _, k := range r.Keep.Sets() {
		count(keepScope(k.Scope), "keep ", k.RuleNames())
	}
	for _, a := range policy.Actions() {
		if !r.Coverage.asked[a] && !r.Chain.Empty() {
			report.NeverAsked = append(report.NeverAsked, string(a))
		}
	}
	report.Percent = 100
	if report.Rules > 0 {
		report.Percent = 100 * float64(report.Decided) / float64(report.Rules)
	}
	slices.Sort(report.NeverDecided)
	return report
}
