package policytest

import (
	"slices"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/policy"
)

// ruleID names a rule of a configuration. A keep rule may have the name of a rule about access.
type ruleID struct {
	keep        bool
	scope, name string
}

// note remembers what a case asked, and the rules that decided it.
func (r *Runner) note(a answer) {
	for _, asked := range a.asked {
		r.asked[asked.Action] = true
	}
	for _, s := range a.Steps {
		if s.Stage != access.StageWebhook {
			r.decided[ruleID{scope: s.Scope, name: s.Rule}] = true
		}
	}
}

// CoverageReport is what no case touched.
type CoverageReport struct {
	Rules        int      `json:"rules"`
	Decided      int      `json:"decided"`
	Percent      float64  `json:"percent"` // of the rules; 100 without any
	NeverDecided []string `json:"rules_never_decided"`
	NeverAsked   []string `json:"actions_never_asked"`
}

// Report compares the rules that decided a case with all rules, and the actions that were asked with all
// actions.
func (r *Runner) Report() CoverageReport {
	report := CoverageReport{Percent: 100, NeverDecided: []string{}, NeverAsked: []string{}}
	count := func(prefix string, names []string, id ruleID) {
		for _, id.name = range names {
			report.Rules++
			if r.decided[id] {
				report.Decided++
			} else {
				report.NeverDecided = append(report.NeverDecided, prefix+id.name)
			}
		}
	}
	for _, p := range r.chain.Policies() {
		count("", p.RuleNames(), ruleID{scope: p.Scope})
	}
	for _, k := range r.keep.Sets() {
		count("keep ", k.RuleNames(), ruleID{keep: true, scope: k.Scope})
	}
	for _, a := range policy.Actions() {
		if !r.asked[a] && !r.chain.Empty() {
			report.NeverAsked = append(report.NeverAsked, string(a))
		}
	}
	if report.Rules > 0 {
		report.Percent = 100 * float64(report.Decided) / float64(report.Rules)
	}
	slices.Sort(report.NeverDecided)
	return report
}
