package events

import (
	"slices"

	"github.com/sreg-project/sreg/internal/glob"
)

// Filter chooses the events that an endpoint is told.
type Filter struct {
	// Kinds are the kinds that are wanted. Empty means all but pulls, of which there are too many to be sent unasked.
	Kinds []Kind
	// Namespaces are globs, such as team/**, one of which must match the whole namespace. Empty means all.
	Namespaces []string
}

// Wants reports whether the endpoint is told of an event.
func (f Filter) Wants(e Event) bool {
	return f.WantsKind(e.Kind) && f.wantsNamespace(e.Namespace)
}

// WantsKind reports whether the endpoint is told of any event of a kind.
func (f Filter) WantsKind(kind Kind) bool {
	if len(f.Kinds) == 0 {
		return kind != Pull
	}
	return slices.Contains(f.Kinds, kind)
}

func (f Filter) wantsNamespace(namespace string) bool {
	return len(f.Namespaces) == 0 || slices.ContainsFunc(f.Namespaces, func(pattern string) bool {
		return glob.Match(pattern, namespace)
	})
}
