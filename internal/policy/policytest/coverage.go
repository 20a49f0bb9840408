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

// CoverageReport is what no case touched: of the rules about access, of the actions, and of the keep rules.
type CoverageReport struct {
	RuleCoverage
	NeverAsked []string     `json:"actions_never_asked"`
	Keep       RuleCoverage `json:"keep"`
}

// RuleCoverage is how many rules decided a case.
type RuleCoverage struct {
	Rules        int      `json:"rules"`
	Decided      int      `json:"decided"`
	Percent      float64  `json:"percent"` // of the rules; 100 without any
	NeverDecided []string `json:"rules_never_decided"`
}

// basic are the actions of a pull, a push and a delete: a policy that names no action decides about these at least.
var basic = []string{string(access.GetManifest), string(access.PutManifest), string(access.DeleteManifest)}

// Report compares the rules that decided a case with all rules, and the actions that were asked with those that the rules
// speak of and that a server has routes for.
func (r *Runner) Report() CoverageReport {
	report := CoverageReport{NeverAsked: []string{}}
	for _, p := range r.chain.Policies() {
		report.count(r.decided, p.RuleNames(), ruleID{scope: p.Scope})
	}
	for _, k := range r.keep.Sets() {
		report.Keep.count(r.decided, k.RuleNames(), ruleID{keep: true, scope: k.Scope})
	}
	report.end()
	report.Keep.end()
	named := slices.Concat(r.chain.Named().Actions, basic)
	for _, a := range policy.Actions() {
		if !r.asked[a] && !r.chain.Empty() && policy.Served(a) && slices.Contains(named, string(a)) {
			report.NeverAsked = append(report.NeverAsked, string(a))
		}
	}
	return report
}

func (c *RuleCoverage) count(decided map[ruleID]bool, names []string, id ruleID) {
	for _, id.name = range names {
		c.Rules++
		if decided[id] {
			c.Decided++
		} else {
			c.NeverDecided = append(c.NeverDecided, id.name)
		}
	}
}

func (c *RuleCoverage) end() {
	c.Percent = 100
	if c.Rules > 0 {
		c.Percent = 100 * float64(c.Decided) / float64(c.Rules)
	}
	c.NeverDecided = append([]string{}, c.NeverDecided...) // none is an empty list
	slices.Sort(c.NeverDecided)
}
