package policy

import (
	"github.com/google/cel-go/interpreter"

	"github.com/sreg-project/sreg/internal/oci"
)

// Keep is the compiled rules of one retention section: what is kept. A Compiler makes it. It is never changed,
// and used by any number of goroutines at once.
type Keep struct{ ruleSet }

// Names are those of the rules, in their order.
func (k *Keep) Names() []string {
	names := make([]string, len(k.rules))
	for i, rule := range k.rules {
		names[i] = rule.name
	}
	return names
}

// Constant is the result of the rule with that index if the rule looks at nothing, such as true or 1 > 2: it
// is the same for every image. A rule that fails is not constant.
func (k *Keep) Constant(rule int) (holds, constant bool) {
	if k.rules[rule].mentionsWords {
		return false, false
	}
	holds, err := evaluate(k.rules[rule].program, interpreter.EmptyActivation())
	return holds && err == nil, err == nil
}

// KeepChain is all keep rules of a configuration: the global ones, and those of repositories. Either may be
// nil.
type KeepChain struct {
	Global       *Keep
	Repositories oci.Prefixes[*Keep] // also those without rules: they own what is below them
}

// Of is the rules that are asked about the images of a namespace: the global ones, and those of the
// repository that owns it. It is empty if there are none.
func (c *KeepChain) Of(namespace oci.Name) []*Keep {
	var sets []*Keep
	if c.Global != nil {
		sets = append(sets, c.Global)
	}
	if own, _ := c.Repositories.Of(namespace); own != nil {
		sets = append(sets, own)
	}
	return sets
}

// Sets are all sets of rules, the global one first, then in the order of their repositories.
func (c *KeepChain) Sets() []*Keep { return inOrder(c.Global, c.Repositories) }
