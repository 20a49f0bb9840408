package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
	"github.com/google/cel-go/parser"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/oci"
)

// Explanation is how one stage came to what it says about a request.
type Explanation struct {
	Action    access.Action     `json:"action"`
	Namespace oci.Name          `json:"namespace,omitzero"`
	Target    string            `json:"target,omitempty"` // team/app:v1
	Stage     access.Stage      `json:"stage"`
	Scope     string            `json:"scope,omitempty"`
	Default   string            `json:"default,omitempty"`
	Allowed   bool              `json:"allowed"`
	Rule      string            `json:"rule,omitempty"`
	Rules     []RuleExplanation `json:"rules,omitempty"`
}

// RuleExplanation is what one rule says, and why.
type RuleExplanation struct {
	Name    string `json:"name"`
	Expr    string `json:"expr"`
	Outcome string `json:"outcome"` // true, false or error
	Error   string `json:"error,omitempty"`
	Decides bool   `json:"decides"`
	Parts   []Part `json:"parts"`
}

// Part is a part of an expression with its value.
type Part struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// Explain decides as Decide does, and shows every rule of every stage that was asked, also those after
// the one that decided.
func (c *Chain) Explain(q Question) ([]Explanation, Verdict) {
	v := c.Decide(q)
	q.RepositoryPolicy = c.Repository(q.Request.Namespace) != nil
	words := newActivation(&q)
	var explained []Explanation
	for _, step := range v.Steps {
		x := Explanation{
			Action: q.Request.Action, Namespace: q.Request.Namespace, Target: Target(q.Request),
			Stage: step.Stage, Scope: step.Scope, Allowed: step.Allowed, Rule: step.Rule,
		}
		if p := step.policy; p != nil {
			x.Default, x.Rules = p.config.Default, p.explain(step.Rule, words)
		}
		explained = append(explained, x)
	}
	return explained, v
}

// Target writes what a request is about: team/app:v1, team/app@sha256:..., and by which tags.
func Target(r access.Request) string {
	text := r.Namespace.String()
	digest := r.Reference.Digest
	if digest.IsZero() {
		digest = r.Digest
	}
	switch {
	case !r.Reference.Tag.IsZero():
		text += ":" + r.Reference.Tag.String()
	case !digest.IsZero():
		text += "@" + digest.String()
	}
	if r.Reference.Tag.IsZero() && len(r.Tags) > 0 {
		tags := make([]string, len(r.Tags))
		for i, t := range r.Tags {
			tags[i] = t.String()
		}
		text += " with tag " + strings.Join(tags, ", ")
	}
	return text
}

// explain explains every rule. The decisive one is known by its name.
func (s *ruleSet) explain(decisive string, words interpreter.Activation) []RuleExplanation {
	explained := make([]RuleExplanation, len(s.rules))
	for i, r := range s.rules {
		explained[i] = s.environment.explainRule(r, words)
		explained[i].Decides = r.name == decisive
	}
	return explained
}

// explainRule evaluates a rule again, remembering the value of every part.
func (e *environment) explainRule(r rule, words interpreter.Activation) RuleExplanation {
	x := RuleExplanation{Name: r.name, Expr: r.text, Outcome: "error"}
	program, checked, found := e.compileTracked(r.text)
	if found != nil {
		x.Error = found[0].String() // it was compiled before, so there is none
		return x
	}
	value, details, err := program.Eval(words)
	if details != nil {
		x.Parts = partsOf(checked, details)
	}
	if err != nil {
		x.Error = readableError(err).Error()
		return x
	}
	x.Outcome = show(value)
	return x
}

// partsOf lists what an expression is made of, with values, in the order of reading. Literals and what
// was not evaluated are left out, and so is the whole, whose value is the outcome.
func partsOf(checked *cel.Ast, details *cel.EvalDetails) []Part {
	var parts []Part
	info, whole := checked.NativeRep().SourceInfo(), checked.NativeRep().Expr()
	add := func(p Part, ok bool) {
		if ok && !slices.ContainsFunc(parts, func(seen Part) bool { return seen.Text == p.Text }) {
			parts = append(parts, p)
		}
	}
	var visit func(x ast.Expr)
	visit = func(x ast.Expr) {
		add(rankOf(x, details.State(), info))
		if x != whole {
			add(partOf(x, details.State(), info))
		}
		for _, below := range operands(x) {
			visit(below)
		}
	}
	visit(whole)
	return parts
}

// partOf is an expression with its value, if the value says more than the values of its parts.
func partOf(x ast.Expr, state interpreter.EvalState, info *ast.SourceInfo) (Part, bool) {
	value, known := state.Value(x.ID())
	text, err := parser.Unparse(x, info)
	if !known || err != nil || types.IsError(value) {
		return Part{}, false
	}
	part := Part{Text: text, Value: show(value)}
	switch x.Kind() {
	case ast.CallKind:
		_, fields := value.(*object) // semver(image.tag): the fields that are read of it are shown
		name := x.AsCall().FunctionName()
		return part, !fields && name != operators.LogicalAnd && name != operators.LogicalOr && name != operators.LogicalNot
	case ast.SelectKind, ast.ComprehensionKind:
		return part, true
	}
	return part, strings.HasSuffix(text, "()") // now() is compiled to a variable
}

// rankOf is the rank behind a call such as top_pushed(5), whose value is only true or false.
func rankOf(x ast.Expr, state interpreter.EvalState, info *ast.SourceInfo) (Part, bool) {
	if x.Kind() != ast.CallKind || len(x.AsCall().Args()) < 2 {
		return Part{}, false
	}
	args := x.AsCall().Args()
	value, _ := state.Value(args[0].ID())
	ranked, ok := value.(*object)
	text, err := parser.Unparse(x, info)
	if !ok || ranked.of != rankedImage || err != nil {
		return Part{}, false
	}
	of := ranked.source.(*image)
	by := ranking{word: strings.TrimPrefix(x.AsCall().FunctionName(), "@")}
	if args[1].Kind() == ast.LiteralKind && by.word == topPushedLike {
		pattern, _ := args[1].AsLiteral().(types.String)
		by.pattern = string(pattern)
	}
	rank, err := of.among.rank(by, of.index)
	if err != nil || rank == 0 {
		return Part{Text: "rank in " + text, Value: "none"}, true
	}
	return Part{Text: "rank in " + text, Value: strconv.Itoa(rank)}, true
}

// operands are the expressions in an expression. Of a loop it is the list alone: what is evaluated for each
// item has more than one value.
func operands(x ast.Expr) []ast.Expr {
	switch x.Kind() {
	case ast.CallKind:
		call := x.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.SelectKind:
		return []ast.Expr{x.AsSelect().Operand()}
	case ast.ListKind:
		return x.AsList().Elements()
	case ast.ComprehensionKind:
		return []ast.Expr{x.AsComprehension().IterRange()}
	}
	return nil
}

// maxShown bounds how much of a value is shown.
const maxShown = 200

func show(value ref.Val) string {
	text := showWhole(value)
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "..."
	}
	return text
}

func showWhole(value ref.Val) string {
	switch v := value.(type) {
	case types.String:
		return strconv.Quote(string(v))
	case types.Null:
		return "null"
	case *object:
		return v.of.word
	case traits.Mapper:
		return fmt.Sprintf("a map of %v", v.Size())
	case traits.Lister:
		return showList(v)
	default:
		return fmt.Sprint(v.Value())
	}
}

func showList(list traits.Lister) string {
	var items []string
	for it := list.Iterator(); it.HasNext() == types.True && len(items) < 20; {
		items = append(items, showWhole(it.Next()))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
