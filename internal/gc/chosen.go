package gc

import (
	"context"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Chosen is what a run condemns and destroys whatever its age, if nothing needs it. The run leaves everything else as it
// is. Ages are not what makes a run safe: a push that needs one of these meanwhile revives it, or comes too late and is
// told what is missing.
type Chosen struct {
	Digests map[oci.Name]map[oci.Digest]bool // manifests and links, each of its own namespace alone
	Bytes   map[oci.Digest]bool
	Whole   oci.Name // also the catalog's entry of this namespace, if nothing is left in it
}

// chosen tells whether an object is one of those.
func (r *run) chosen(o registry.Object) bool {
	c := r.opts.Chosen
	switch {
	case c == nil:
		return false
	case o.Kind == registry.KindNamespace:
		return o.Namespace == c.Whole
	case o.Kind == registry.KindBlob:
		return c.Bytes[o.Digest]
	}
	return c.Digests[o.Namespace][o.Digest]
}

// Try makes the plan of a run and changes nothing. Its error is that with which the run would end before it changes
// anything, unless another collector is at work.
func (c *Collector) Try(ctx context.Context, opts RunOptions) error {
	safe, err := c.besideWriters(ctx)
	if err != nil {
		return err
	}
	opts.DryRun = true
	_, err = safe.Run(ctx, opts)
	return err
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
		return r.leaves(p.Object) && (p.Kind != registry.KindLink || !r.opts.Chosen.Bytes[p.Digest])
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
