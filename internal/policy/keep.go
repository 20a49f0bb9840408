package policy

import (
	"time"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// Image is what a rule about retention may look at. Times are seconds since the epoch.
type Image struct {
	Tag          string // empty: a manifest that has none
	PushedAt     int64
	LastPulledAt int64 // 0: never
	Size         int64
	MediaType    string
	Platforms    []string
	Annotations  map[string]string
}

// Keep is the compiled rules of one retention section: what is kept. It is not changed after
// CompileKeep, and used by any number of goroutines at once.
type Keep struct {
	Scope string

	rules       []rule
	environment *environment
}

// CompileKeep makes keep rules. The error is a *CompileError with all that is wrong with them.
func CompileKeep(scope string, configs []RuleConfig) (*Keep, error) {
	e, err := newKeepEnvironment()
	if err != nil {
		return nil, err
	}
	rules, err := e.compileAll(scope, configs)
	if err != nil {
		return nil, err
	}
	return &Keep{Scope: scope, rules: rules, environment: e}, nil
}

// KeepDecision is what happens to one image.
type KeepDecision struct {
	Kept   bool
	Scope  string      // of the rule that keeps it
	Rule   string      // that keeps it; empty if none does, or there are no rules
	Failed []RuleError // a rule that fails keeps
}

// Constant is what the rule of that number says of every image, where it looks at nothing: true, say, or
// 1 > 2. It is not constant if it fails.
func (k *Keep) Constant(rule int) (holds, constant bool) {
	checked, found := k.environment.check(k.rules[rule].expr)
	if found != nil || mentionsWords(checked.NativeRep()) {
		return false, false
	}
	holds, err := evaluate(k.rules[rule].program, interpreter.EmptyActivation())
	return holds && err == nil, err == nil
}

func mentionsWords(checked *ast.AST) bool {
	found := false
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		found = found || x.Kind() == ast.IdentKind
	}))
	return found
}

// Decide asks the rules about every image of one namespace, at one time. An image is kept that any rule
// keeps; without rules all are.
func (k *Keep) Decide(now time.Time, images []Image) []KeepDecision {
	return DecideKeep(now, images, k)
}

// DecideKeep is Decide for several sets of rules, of which any may keep an image: the global rules and
// those of a repository. Some may be nil.
func DecideKeep(now time.Time, images []Image, sets ...*Keep) []KeepDecision {
	among := newStandings(images)
	decisions := make([]KeepDecision, len(images))
	for i := range images {
		decisions[i] = keep(newJudged(now, among, i), sets)
	}
	return decisions
}

// ExplainKeep shows what every rule says about one of the images that DecideKeep decided about, also those
// after the one that keeps it.
func ExplainKeep(now time.Time, images []Image, which int, sets ...*Keep) []RuleExplanation {
	return explainKept(newJudged(now, newStandings(images), which), sets)
}

func explainKept(image *judged, sets []*Keep) []RuleExplanation {
	d := keep(image, sets)
	var explained []RuleExplanation
	for _, k := range sets {
		if k == nil {
			continue
		}
		decisive := ""
		if d.Scope == k.Scope {
			decisive = d.Rule
		}
		explained = append(explained, k.environment.explainAll(k.rules, decisive, image)...)
	}
	return explained
}

func keep(image *judged, sets []*Keep) KeepDecision {
	var d KeepDecision
	rules := 0
	for _, k := range sets {
		if k == nil {
			continue
		}
		rules += len(k.rules)
		for i := range k.rules {
			holds, err := evaluate(k.rules[i].program, image)
			if err != nil {
				d.Failed = append(d.Failed, RuleError{Rule: k.rules[i].name, Err: err})
			}
			if holds || err != nil {
				d.Kept, d.Scope, d.Rule = true, k.Scope, k.rules[i].name
				return d
			}
		}
	}
	d.Kept = rules == 0
	return d
}

// RuleNames are the names of all rules in their order.
func (k *Keep) RuleNames() []string {
	names := make([]string, len(k.rules))
	for i, r := range k.rules {
		names[i] = r.name
	}
	return names
}

// judged is an image as CEL reads it.
type judged struct {
	image    *object
	now      types.Int
	standing *standing
}

func newJudged(now time.Time, among *standings, i int) *judged {
	return &judged{
		image: newObject(imageWords, &among.images[i]), now: types.Int(now.Unix()), standing: &standing{among: among, image: i},
	}
}

// ResolveName is for interpreter.Activation.
func (j *judged) ResolveName(name string) (any, bool) {
	switch name {
	case "image":
		return j.image, true
	case nowVariable:
		return j.now, true
	case standingVariable:
		return j.standing, true
	}
	return nil, false
}

// Parent is for interpreter.Activation.
func (j *judged) Parent() interpreter.Activation { return nil }
