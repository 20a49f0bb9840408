package policy

import (
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// Image is what a rule about retention may look at. Times are seconds since the epoch.
type Image struct {
	Tag          string // empty: a manifest that has none
	PushedAt     int64
	PushedNanos  int64     // of the second PushedAt: rules do not see them, and ranks do
	LastPush     time.Time // if a restore came after it, else zero: ranks go by it, and rules see PushedAt
	LastPulledAt int64     // 0: never
	Size         int64
	MediaType    string
	Platforms    []string
	Annotations  map[string]string
}

// lastPush is the time by which an image is ranked.
func (i *Image) lastPush() time.Time {
	if i.LastPush.IsZero() {
		return time.Unix(i.PushedAt, i.PushedNanos)
	}
	return i.LastPush
}

// Images are all images of one namespace, as keep rules are asked about them at one time. They belong to one
// goroutine.
type Images struct {
	list  []Image
	now   types.Int
	ranks map[ranking][]int // each is made when a rule first asks for it
}

// NewImages makes them of a list; an image is known by its index there.
func NewImages(now time.Time, list []Image) *Images {
	return &Images{list: list, now: types.Int(now.Unix()), ranks: map[ranking][]int{}}
}

// KeepDecision is what happens to one image.
type KeepDecision struct {
	Kept   bool
	Scope  string      // of the rule that keeps it
	Rule   string      // that keeps it; empty if none does, or there are no rules
	Failed []RuleError // a rule that fails keeps
}

// Decide asks sets of rules about one image: any rule of any set keeps it, and without rules it is kept.
func (s *Images) Decide(index int, sets ...*Keep) KeepDecision {
	return decideKeep(s.image(index), sets)
}

func decideKeep(image *image, sets []*Keep) KeepDecision {
	rules := 0
	for _, k := range sets {
		rules += len(k.rules)
		for i := range k.rules {
			r := &k.rules[i]
			holds, err := evaluate(r.program, image)
			if err != nil {
				return KeepDecision{Kept: true, Scope: k.Scope, Rule: r.name, Failed: []RuleError{{Rule: r.name, Err: err}}}
			}
			if holds {
				return KeepDecision{Kept: true, Scope: k.Scope, Rule: r.name}
			}
		}
	}
	return KeepDecision{Kept: rules == 0}
}

// Explain shows what every rule says about one image, also those after the one that keeps it.
func (s *Images) Explain(index int, sets ...*Keep) []RuleExplanation {
	image := s.image(index)
	d := decideKeep(image, sets)
	var explained []RuleExplanation
	for _, k := range sets {
		decisive := ""
		if d.Scope == k.Scope {
			decisive = d.Rule
		}
		explained = append(explained, k.explain(decisive, image)...)
	}
	return explained
}

// image is one of Images as CEL reads it.
type image struct {
	among *Images
	index int
	words *object
}

func (s *Images) image(index int) *image {
	return &image{among: s, index: index, words: newObject(imageWords, &s.list[index])}
}

func (i *image) ResolveName(name string) (any, bool) {
	switch name {
	case "image":
		return i.words, true
	case nowVariable:
		return i.among.now, true
	case rankedVariable:
		return newObject(rankedImage, i), true
	}
	return nil, false
}

func (i *image) Parent() interpreter.Activation { return nil }

// rankedImage is the hidden argument of the functions that rank: an image among the others. No expression can name it.
var rankedImage = &objectType{word: "image", typ: types.NewOpaqueType("@ranked")}
