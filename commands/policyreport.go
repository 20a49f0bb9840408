package commands

import (
	"fmt"
	"io"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/policy/policytest"
)

// policyReport is what came of a run of sreg policy test.
type policyReport struct {
	Passed   int                       `json:"passed"`
	Failed   int                       `json:"failed"`
	Cases    []caseReport              `json:"cases"`
	Coverage policytest.CoverageReport `json:"coverage"`

	files int
}

type caseReport struct {
	File    string        `json:"file"`
	Line    int           `json:"line"`
	Name    string        `json:"name"`
	Passed  bool          `json:"passed"`
	Problem string        `json:"problem,omitempty"`
	Stages  []stageReport `json:"stages,omitempty"`
	Images  []imageReport `json:"images,omitempty"`
}

type stageReport struct {
	Action    string                   `json:"action"`
	Namespace string                   `json:"namespace,omitempty"`
	Stage     access.Stage             `json:"stage"`
	Scope     string                   `json:"scope,omitempty"`
	Default   string                   `json:"default,omitempty"`
	Allowed   bool                     `json:"allowed"`
	Rule      string                   `json:"rule,omitempty"`
	Rules     []policy.RuleExplanation `json:"rules,omitempty"`
}

type imageReport struct {
	Name  string                   `json:"name"`
	Kept  bool                     `json:"kept"`
	Rules []policy.RuleExplanation `json:"rules"`
}

func (r *policyReport) add(file string, outcomes []policytest.Outcome) {
	r.files++
	for _, o := range outcomes {
		c := caseReport{File: file, Line: o.Line, Name: o.Name, Passed: o.Passed, Problem: o.Problem}
		for _, s := range o.Stages {
			stage := newStageReport(s.Explanation)
			stage.Action, stage.Namespace = string(s.Request.Action), s.Request.Namespace.String()
			c.Stages = append(c.Stages, stage)
		}
		for _, i := range o.Images {
			c.Images = append(c.Images, imageReport(i))
		}
		if o.Passed {
			r.Passed++
		} else {
			r.Failed++
		}
		r.Cases = append(r.Cases, c)
	}
}

func newStageReport(x policy.Explanation) stageReport {
	return stageReport{Stage: x.Stage, Scope: x.Scope, Default: x.Default, Allowed: x.Allowed, Rule: x.Rule, Rules: x.Rules}
}

func (r *policyReport) print(io IO, opts policyTest) error {
	if opts.output == formatJSON {
		return io.printJSON(r)
	}
	var b strings.Builder
	for _, c := range r.Cases {
		if !c.Passed {
			c.write(&b)
		}
	}
	if opts.coverage || opts.minCoverage > 0 {
		r.writeCoverage(&b)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, in %s\n", r.Passed, r.Failed, counted(r.files, "file"))
	_, err := io.Out.Write([]byte(b.String()))
	return err
}

func counted(n int, noun string) string { return countedAs(n, noun, noun+"s") }

func countedAs(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func (c caseReport) write(w io.Writer) {
	fmt.Fprintf(w, "FAIL  %s:%d: %s\n      %s\n", c.File, c.Line, c.Name, c.Problem)
	for i, s := range c.Stages {
		if i == 0 || s.Action != c.Stages[i-1].Action {
			fmt.Fprintf(w, "      %s %s\n", s.Action, s.Namespace)
		}
		s.write(w, "        ")
	}
	for _, i := range c.Images {
		fmt.Fprintf(w, "      image %s\n", i.Name)
		writeRules(w, "        ", i.Rules)
	}
	fmt.Fprintln(w)
}

// write shows a stage and each of its rules.
func (s stageReport) write(w io.Writer, indent string) {
	if s.Stage == access.StageNone {
		fmt.Fprintf(w, "%sdeny: no policy covers the request\n", indent)
		return
	}
	name := "global policy"
	if s.Stage == access.StageRepository {
		name = "policy of repository " + s.Scope
	}
	fmt.Fprintf(w, "%s%s, default %s: %s\n", indent, name, s.Default, s.outcome())
	writeRules(w, indent+"  ", s.Rules)
}

func (s stageReport) outcome() string {
	word := "deny"
	if s.Allowed {
		word = "allow"
	}
	if s.Rule == "" {
		return word + ", no rule decides"
	}
	return word + " by rule " + s.Rule
}

func writeRules(w io.Writer, indent string, rules []policy.RuleExplanation) {
	for _, r := range rules {
		mark := " "
		if r.Decides {
			mark = ">"
		}
		fmt.Fprintf(w, "%s%s %-5s  %s: %s\n", indent, mark, r.Outcome, r.Name, oneLine(r.Expr))
		if r.Error != "" {
			fmt.Fprintf(w, "%s           %s\n", indent, oneLine(r.Error))
		}
		for _, p := range r.Parts {
			fmt.Fprintf(w, "%s           %s = %s\n", indent, oneLine(p.Text), p.Value)
		}
	}
}

// oneLine writes a text of several lines in one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (r *policyReport) writeCoverage(w io.Writer) {
	fmt.Fprintf(w, "coverage: %d of %s decided a case, %.1f %%\n", r.Coverage.Decided, counted(r.Coverage.Rules, "rule"), r.Coverage.Percent)
	for _, name := range r.Coverage.NeverDecided {
		fmt.Fprintf(w, "  never decided: %s\n", name)
	}
	for _, action := range r.Coverage.NeverAsked {
		fmt.Fprintf(w, "  never asked: %s\n", action)
	}
}

// verdict is the error that a run ends with.
func (r *policyReport) verdict(opts policyTest) error {
	switch {
	case r.Failed > 0:
		return fmt.Errorf("%d of %s failed", r.Failed, counted(r.Passed+r.Failed, "case"))
	case len(r.Cases) == 0:
		return &usageError{message: "no case ran", hint: "no name matches --run " + opts.run}
	case r.Coverage.Percent < float64(opts.minCoverage):
		return fmt.Errorf("%.1f %% of the rules decided a case, want %s %%", r.Coverage.Percent, opts.minCoverage.String())
	}
	return nil
}
