package policytest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/spelling"
)

// Runner runs files of cases against the policies and keep rules of a configuration, without a server.
type Runner struct {
	chain    *policy.Chain
	keep     *policy.KeepChain
	match    *regexp.Regexp
	compiler *policy.Compiler // of the rules in cases
	decided  map[ruleID]bool
	asked    map[access.Action]bool
}

// NewRunner makes a Runner. It runs the cases whose names match; without an expression all of them.
func NewRunner(chain *policy.Chain, keep *policy.KeepChain, match *regexp.Regexp) *Runner {
	return &Runner{
		chain: chain, keep: keep, match: match, compiler: policy.NewCompiler(),
		decided: map[ruleID]bool{}, asked: map[access.Action]bool{},
	}
}

// Outcome is what came of one case.
type Outcome struct {
	Line    int    `json:"line"`
	Name    string `json:"name"`
	Passed  bool   `json:"passed"`
	Problem string `json:"problem,omitempty"` // what was expected and what came
	// WantedRule is the rule that should have decided, if the case names one.
	WantedRule string               `json:"-"`
	Stages     []policy.Explanation `json:"stages,omitempty"` // of a case that failed
	Images     []ImageOutcome       `json:"images,omitempty"`
}

// ImageOutcome explains an image that went or stayed although the case expects otherwise.
type ImageOutcome struct {
	Name  string                   `json:"name"`
	Kept  bool                     `json:"kept"`
	Rules []policy.RuleExplanation `json:"rules"`
}

// Run runs the cases of a file that match. The error is of a rule in a case that does not compile.
func (r *Runner) Run(s *Suite) ([]Outcome, error) {
	var outcomes []Outcome
	for i := range s.Cases {
		if c := &s.Cases[i]; r.matches(c.Name) {
			outcomes = append(outcomes, r.runCase(c))
		}
	}
	for i := range s.Keep {
		c := &s.Keep[i]
		if !r.matches(c.Name) {
			continue
		}
		o, err := r.runKeep(c)
		if err != nil {
			return nil, fmt.Errorf("line %d: case %q: %w", c.Line, c.Name, err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

func (r *Runner) matches(name string) bool { return r.match == nil || r.match.MatchString(name) }

// answer is what a request got.
type answer struct {
	policy.Verdict
	asked []access.Request // the request, and the second one that it includes
	hook  string           // the webhook that was asked last; empty if none was
}

func (r *Runner) runCase(c *Case) Outcome {
	a := r.ask(c)
	r.note(a)
	o := Outcome{Name: c.Name, Line: c.Line, Problem: r.difference(c, a), WantedRule: c.Rule}
	o.Passed = o.Problem == ""
	if !o.Passed {
		for _, asked := range a.asked {
			explained, _ := r.chain.Explain(policy.Question{Identity: c.Identity, Request: asked})
			o.Stages = append(o.Stages, explained...)
		}
	}
	return o
}

// ask asks as a server does: the policies, then the webhook, then both again about the second request that
// the request includes.
func (r *Runner) ask(c *Case) answer {
	var a answer
	for request, more := c.Request, true; more; request, more = policy.Following(request) {
		v := r.chain.Decide(policy.Question{Identity: c.Identity, Request: request})
		a.asked = append(a.asked, request)
		a.Allowed, a.Steps = v.Allowed, append(a.Steps, v.Steps...)
		if hook := r.chain.Webhook(request.Namespace); a.Allowed && hook != "" {
			a.hook, a.Allowed = hook, c.Webhook == AnswerAllow
			a.Steps = append(a.Steps, policy.Step{Stage: access.StageWebhook, Scope: hook, Decision: policy.Decision{Allowed: a.Allowed, Rule: hook}})
		}
		if !a.Allowed {
			break
		}
	}
	return a
}

// difference says how an answer differs from what a case expects; it is empty if it does not.
func (r *Runner) difference(c *Case, a answer) string {
	want, got := c.expected(), a.describe()
	switch {
	case a.hook != "" && c.Webhook == "":
		return "the policies allow, and webhook " + a.hook + " decides: say what it answers with webhook: allow, deny or error"
	case a.hook == "" && c.Webhook != "" && a.Allowed:
		return "the case says what a webhook answers, and none is asked here: leave out webhook, or name one in policy.webhook of the config"
	}
	if c.Rule != "" {
		if names := r.ruleNames(); !slices.Contains(names, c.Rule) {
			return "no rule is called " + c.Rule + spelling.Hint(c.Rule, names)
		}
	}
	if a.Allowed != c.Allow {
		return "want " + want + ", got " + got
	}
	decided := []policy.Step{a.Last()}
	if a.Allowed {
		decided = a.Steps // every one of them had to allow
	}
	for _, s := range decided {
		if (c.Stage == "" || c.Stage == s.Stage) && (c.Rule == "" || c.Rule == s.Rule) {
			return ""
		}
	}
	return "want " + want + ", got " + got
}

func (c *Case) expected() string {
	words := "deny"
	if c.Allow {
		words = "allow"
	}
	if c.Rule != "" {
		words += " by rule " + c.Rule
	}
	if c.Stage != "" {
		words += " in stage " + string(c.Stage)
	}
	return words
}

func (a answer) describe() string {
	if a.Allowed {
		var by []string
		for _, s := range a.Steps {
			by = append(by, describeStep(s))
		}
		return "allow: " + strings.Join(by, ", ")
	}
	return "deny: " + describeStep(a.Last())
}

// describeStep says what made a decision.
func describeStep(s policy.Step) string {
	switch {
	case s.Stage == access.StageNone:
		return "no policy covers the request"
	case s.Stage == access.StageWebhook:
		return "webhook " + s.Rule + ", as the case says"
	case s.Rule != "":
		return "by rule " + s.Rule + " of " + policyOf(s.Scope)
	case s.Allowed:
		return "by the default of " + policyOf(s.Scope) + ", no rule is true"
	}
	return "no rule of " + policyOf(s.Scope) + " is true"
}

// policyOf names a policy by its scope.
func policyOf(scope string) string {
	if scope == policy.Global {
		return "the global policy"
	}
	return "repository " + scope
}

// ruleNames are the names of all that may decide: rules and webhooks.
func (r *Runner) ruleNames() []string {
	var names []string
	for _, p := range r.chain.Policies() {
		names = append(names, p.RuleNames()...)
	}
	return append(names, r.chain.Webhooks()...)
}

func (r *Runner) runKeep(c *KeepCase) (Outcome, error) {
	o := Outcome{Name: c.Name, Line: c.Line}
	sets, problem, err := r.keepSets(c)
	if err != nil || problem != "" {
		o.Problem = problem
		return o, err
	}
	list := make([]policy.Image, len(c.Images))
	for i, image := range c.Images {
		list[i] = image.Image
	}
	images := policy.NewImages(c.Now, list)
	var gone, left []string
	for i, image := range c.Images {
		d := images.Decide(i, sets...)
		if c.Rules == nil {
			r.decided[ruleID{keep: true, scope: d.Scope, name: d.Rule}] = true
		}
		switch stays := slices.Contains(c.Stays, image.Name); {
		case d.Kept == stays:
			continue
		case stays:
			gone = append(gone, image.Name)
		default:
			left = append(left, image.Name)
		}
		o.Images = append(o.Images, ImageOutcome{Name: image.Name, Kept: d.Kept, Rules: images.Explain(i, sets...)})
	}
	var problems []string
	if len(gone) > 0 {
		problems = append(problems, "should stay, but goes: "+strings.Join(gone, ", "))
	}
	if len(left) > 0 {
		problems = append(problems, "should go, but stays: "+strings.Join(left, ", "))
	}
	o.Problem = strings.Join(problems, "; ")
	o.Passed = o.Problem == ""
	return o, nil
}

// keepSets are the rules that a case is about, or what is wrong with the case.
func (r *Runner) keepSets(c *KeepCase) (sets []*policy.Keep, problem string, err error) {
	if c.Rules != nil {
		own, err := r.compiler.Keep("keep", c.Rules)
		return []*policy.Keep{own}, "", err
	}
	namespace := c.Namespace
	if c.Repository != "" {
		var texts []string
		for _, name := range r.keep.Repositories.Names() {
			texts = append(texts, name.String())
			if name.String() == c.Repository {
				namespace = name
			}
		}
		if namespace.IsZero() {
			return nil, "no repository is called " + c.Repository + spelling.Hint(c.Repository, texts), nil
		}
	}
	if sets = r.keep.Of(namespace); len(sets) == 0 {
		return nil, "the config has no keep rules for it, so all would stay: give the case rules of its own", nil
	}
	return sets, "", nil
}
