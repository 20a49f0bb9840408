package gc

import (
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Chosen is what a run condemns and destroys whatever its age, if nothing needs it: manifests and links of a namespace,
// or of all of them if that is zero, and bytes. The run leaves everything else as it is. Ages are not what makes a run
// safe: a push that needs one of these meanwhile revives it, or comes too late and is told what is missing.
type Chosen struct {
	Namespace oci.Name
	Digests   map[oci.Digest]bool
	Whole     bool // also the catalog's entry of the namespace, if nothing is left in it
}

// chosen tells whether an object is one of those.
func (r *run) chosen(o registry.Object) bool {
	c := r.opts.Chosen
	switch {
	case c == nil:
		return false
	case o.Kind == registry.KindNamespace:
		return c.Whole && o.Namespace == c.Namespace
	case o.Kind == registry.KindBlob, c.Namespace.IsZero(), c.Namespace == o.Namespace:
		return c.Digests[o.Digest]
	}
	return false
}

// leaves tells whether the run leaves an object as it is, because others were chosen.
func (r *run) leaves(o registry.Object) bool { return r.opts.Chosen != nil && !r.chosen(o) }

// leaveOthers takes out of the plan what was not chosen. Links of other namespaces to the same bytes stay in it where
// nothing needs them: the bytes go after them.
func (r *run) leaveOthers() {
	if r.opts.Chosen == nil {
		return
	}
	other := func(p Planned) bool {
		return r.leaves(p.Object) && (p.Kind != registry.KindLink || !r.opts.Chosen.Digests[p.Digest])
	}
	p := r.plan
	p.Condemn, p.Destroy = slices.DeleteFunc(p.Condemn, other), slices.DeleteFunc(p.Destroy, other)
	p.Finish, p.drop, p.markers, p.Restore = []Unfinished{}, nil, nil, Tally{}
}

// explainChosen says of the chosen manifests of a namespace why they stay.
func (r *run) explainChosen(g *graph) {
	for i := range g.nodes {
		n := &g.nodes[i]
		if (n.there || n.pending) && r.chosen(registry.Object{Kind: registry.KindManifest, Namespace: g.ns, Digest: n.digest}) {
			r.explainManifest(g, i)
		}
	}
}
