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
	File string `json:"file"`
	policytest.Outcome
}

func (r *policyReport) add(file string, outcomes []policytest.Outcome) {
	r.files++
	for _, o := range outcomes {
		if o.Passed {
			r.Passed++
		} else {
			r.Failed++
		}
		r.Cases = append(r.Cases, caseReport{file, o})
	}
}

func (r *policyReport) print(io IO, opts policyTest) error {
	if opts.output == formatJSON {
		return io.printJSON(r)
	}
	var b strings.Builder
	for _, c := range r.Cases {
		if !c.Passed {
			c.write(&b, io.outColours(), opts.verbose)
		}
	}
	if opts.coverage || opts.minCoverage > 0 || opts.minKeepCoverage > 0 {
		r.writeCoverage(&b)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, in %s\n", r.Passed, r.Failed, counted(r.files, "file"))
	_, err := io.Out.Write([]byte(b.String()))
	return err
}

// write shows a case that failed: with the rules that decided and those that failed, or with all.
func (c caseReport) write(w io.Writer, colours palette, verbose bool) {
	fmt.Fprintf(w, "%s  %s:%d: %s\n      %s\n", colours.paint(bad, "FAIL"), c.File, c.Line, c.Name, c.Problem)
	to := stageWriter{w, verbose, c.WantedRule}
	for i, s := range c.Stages {
		if i == 0 || s.Action != c.Stages[i-1].Action {
			fmt.Fprintf(w, "      %s\n", requestLine(s.Action, s.Target))
		}
		to.stage(s, "        ")
	}
	for _, i := range c.Images {
		fmt.Fprintf(w, "      image %s\n", i.Name)
		to.rules(i.Rules, "        ")
	}
	fmt.Fprintln(w)
}

// stageWriter shows stages and their rules.
type stageWriter struct {
	io.Writer
	verbose bool   // every rule, with the values of its parts
	wanted  string // a rule that is shown in any case
}

func (w stageWriter) stage(s policy.Explanation, indent string) {
	if s.Stage == access.StageNone {
		fmt.Fprintf(w, "%sdeny: no policy covers the request\n", indent)
		return
	}
	name := "global policy"
	if s.Stage == access.StageRepository {
		name = "policy of repository " + s.Scope
	}
	outcome := "deny"
	if s.Allowed {
		outcome = "allow"
	}
	if s.Rule != "" {
		outcome += " by rule " + s.Rule
	} else {
		outcome += ", no rule decides"
	}
	fmt.Fprintf(w, "%s%s, default %s: %s\n", indent, name, s.Default, outcome)
	w.rules(s.Rules, indent+"  ")
}

// rules shows rules, and names those that are left out.
func (w stageWriter) rules(rules []policy.RuleExplanation, indent string) {
	var others []string
	for _, r := range rules {
		if w.verbose || r.Decides || r.Error != "" || r.Name == w.wanted {
			w.rule(r, indent)
		} else {
			others = append(others, r.Name)
		}
	}
	if len(others) == 0 {
		return
	}
	named := others[:min(len(others), maxNamedRules)]
	text := strings.Join(named, ", ")
	if more := len(others) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	fmt.Fprintf(w, "%s  decided nothing: %s; -v shows why\n", indent, text)
}

// maxNamedRules is how many rules that decided nothing are named.
const maxNamedRules = 5

func (w stageWriter) rule(r policy.RuleExplanation, indent string) {
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

// oneLine writes a text of several lines in one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (r *policyReport) writeCoverage(w io.Writer) {
	if r.Coverage.Rules > 0 || r.Coverage.Keep.Rules == 0 {
		writeRuleCoverage(w, r.Coverage.RuleCoverage, "access rule")
	}
	for _, action := range r.Coverage.NeverAsked {
		fmt.Fprintf(w, "  never asked: %s\n", action)
	}
	if r.Coverage.Keep.Rules > 0 {
		writeRuleCoverage(w, r.Coverage.Keep, "keep rule")
	}
}

func writeRuleCoverage(w io.Writer, c policytest.RuleCoverage, noun string) {
	fmt.Fprintf(w, "coverage: %d of %s decided a case, %.1f %%\n", c.Decided, counted(c.Rules, noun), c.Percent)
	for _, name := range c.NeverDecided {
		fmt.Fprintf(w, "  never decided: %s\n", name)
	}
}

// verdict is the error that a run ends with.
func (r *policyReport) verdict(opts policyTest) error {
	switch {
	case r.Failed > 0:
		return fmt.Errorf("%d of %s failed", r.Failed, counted(r.Passed+r.Failed, "case"))
	case len(r.Cases) == 0:
		return &usageError{message: "no case ran", hint: "no name matches --run " + opts.run}
	case r.Coverage.Percent < opts.minCoverage:
		return fmt.Errorf("%.1f %% of the access rules decided a case, want %g %%", r.Coverage.Percent, opts.minCoverage)
	case r.Coverage.Keep.Percent < opts.minKeepCoverage:
		return fmt.Errorf("%.1f %% of the keep rules decided a case, want %g %%", r.Coverage.Keep.Percent, opts.minKeepCoverage)
	}
	return nil
}
