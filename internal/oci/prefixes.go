package oci

import (
	"cmp"
	"maps"
	"slices"
)

// Prefixes holds something about each prefix of namespaces that is configured. A namespace belongs to the
// longest prefix that it lies within.
type Prefixes[V any] map[Name]V

// Of is what is held about the prefix that a namespace belongs to. It cuts components off the end of the
// namespace: the cost is that of the name, however many prefixes there are.
func (p Prefixes[V]) Of(namespace Name) (v V, found bool) {
	for more := !namespace.IsZero(); more; namespace, more = namespace.Parent() {
		if v, found = p[namespace]; found {
			return v, true
		}
	}
	return v, false
}

// Names are the prefixes in order.
func (p Prefixes[V]) Names() []Name {
	return slices.SortedFunc(maps.Keys(p), func(a, b Name) int { return cmp.Compare(a.s, b.s) })
}
