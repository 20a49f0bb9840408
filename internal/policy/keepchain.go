package policy

import "github.com/sreg-project/sreg/internal/oci"

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
