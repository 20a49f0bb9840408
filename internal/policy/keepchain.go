package policy

import (
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
)

// KeepChain is all keep rules of a configuration: the global ones, and those of repositories.
type KeepChain struct {
	Global *Keep

	repositories map[oci.Name]*Keep
}

// KeepRepository is a configured prefix, and its keep rules if it has any.
type KeepRepository struct {
	Name oci.Name
	Keep *Keep
}

// NewKeepChain puts keep rules together. Repositories without any belong here, too: they own what is below
// them.
func NewKeepChain(global *Keep, repositories []KeepRepository) *KeepChain {
	c := &KeepChain{Global: global, repositories: map[oci.Name]*Keep{}}
	for _, r := range repositories {
		c.repositories[r.Name] = r.Keep
	}
	return c
}

// Of is what DecideKeep asks about the images of a namespace: the global rules, and those of the repository
// that owns it, which is the longest prefix that is configured. It is empty if there are none.
func (c *KeepChain) Of(namespace oci.Name) []*Keep {
	var sets []*Keep
	if c.Global != nil {
		sets = append(sets, c.Global)
	}
	for found := !namespace.IsZero(); found; namespace, found = namespace.Parent() {
		k, configured := c.repositories[namespace]
		if k != nil {
			sets = append(sets, k)
		}
		if configured {
			break
		}
	}
	return sets
}

// Empty reports whether there is no rule at all, so that everything stays.
func (c *KeepChain) Empty() bool { return len(c.sets()) == 0 }

// sets are all sets of rules, the global one first, then by their scopes.
func (c *KeepChain) sets() []*Keep {
	var list []*Keep
	for _, k := range c.repositories {
		if k != nil {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b *Keep) int { return strings.Compare(a.Scope, b.Scope) })
	if c.Global != nil {
		list = append([]*Keep{c.Global}, list...)
	}
	return list
}

// names are those of the repositories, in their order.
func (c *KeepChain) names() []string {
	var list []string
	for name := range c.repositories {
		list = append(list, name.String())
	}
	slices.Sort(list)
	return list
}
