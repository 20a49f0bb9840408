package policy

import (
	"cmp"
	"slices"
	"time"

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
	Rule   string      // that keeps it; empty if none does, or there are no rules
	Failed []RuleError // a rule that fails keeps
}

// Decide asks the rules about every image of one namespace, at one time. An image is kept that any rule
// keeps; without rules all are.
func (k *Keep) Decide(now time.Time, images []Image) []KeepDecision {
	return DecideKeep(now, images, k)
}

// DecideKeep is Decide for several sets of rules, of which any may keep an image: the global rules and
// those of a repository. Some may be nil.
func DecideKeep(now time.Time, images []Image, sets ...*Keep) []KeepDecision {
	pushed, pulled := rankAll(images)
	decisions := make([]KeepDecision, len(images))
	for i := range images {
		decisions[i] = keep(&judged{
			image: newObject(imageWords, &images[i]), now: types.Int(now.Unix()), pushedRank: pushed[i], pulledRank: pulled[i],
		}, sets)
	}
	return decisions
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
				d.Kept, d.Rule = true, k.rules[i].name
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

// rankAll numbers the tags by when they were pushed, and those that ever were pulled by when they were.
func rankAll(images []Image) (pushed, pulled []types.Int) {
	pushed = ranks(images, func(i Image) int64 { return i.PushedAt }, func(i Image) bool { return i.Tag != "" })
	pulled = ranks(images, func(i Image) int64 { return i.LastPulledAt }, func(i Image) bool { return i.Tag != "" && i.LastPulledAt > 0 })
	return pushed, pulled
}

// ranks numbers the images that count from 1, the latest first; what was at the same time goes by its
// tag. The others get 0.
func ranks(images []Image, at func(Image) int64, counts func(Image) bool) []types.Int {
	var order []int
	for i, image := range images {
		if counts(image) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(at(images[b]), at(images[a])), cmp.Compare(images[a].Tag, images[b].Tag))
	})
	list := make([]types.Int, len(images))
	for rank, i := range order {
		list[i] = types.Int(rank + 1)
	}
	return list
}

// judged is an image as CEL reads it.
type judged struct {
	image                       *object
	now, pushedRank, pulledRank types.Int
}

// ResolveName is for interpreter.Activation.
func (j *judged) ResolveName(name string) (any, bool) {
	switch name {
	case "image":
		return j.image, true
	case nowVariable:
		return j.now, true
	case pushedRankVariable:
		return j.pushedRank, true
	case pulledRankVariable:
		return j.pulledRank, true
	}
	return nil, false
}

// Parent is for interpreter.Activation.
func (j *judged) Parent() interpreter.Activation { return nil }
