package gc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// await marks what must not be destroyed yet: what can be restored, and what is named by a condemned manifest
// that is not destroyed in this run. Readers still find such a manifest, so they must find all that it names.
func (r *run) await(g *graph, condemned []*registry.Condemned) {
	for _, entry := range r.trash[g.ns] {
		if entry.Kind == registry.KindBlob {
			g.needBlob(g.number(entry.Digest), awaited, 0)
			continue
		}
		for _, number := range entry.blobs {
			g.needBlob(number, awaited, 0)
		}
		for _, child := range entry.children {
			g.need(g.node(child), awaited, "")
		}
		g.need(g.node(entry.Digest), awaited, "")
	}
	for _, one := range condemned {
		if one.Kind == registry.KindManifest && (r.leaves(one.Object) || !r.waitOverOf(one.Object, one.Since)) {
			g.need(g.node(one.Digest), awaited, "")
		}
	}
}

// waitOver tells whether what is condemned since then has waited for gc.trash, and so may be destroyed.
func (r *run) waitOver(since time.Time) bool { return r.began.Sub(since) >= r.trashFor }

// waitOverOf is waitOver for an object. RunOptions.Trash counts in the repository of the run alone; elsewhere gc.trash
// does. Bytes belong to no namespace, and wait for the links that lead to them. What was chosen does not wait.
func (r *run) waitOverOf(o registry.Object, since time.Time) bool {
	if r.chosen(o) {
		return true
	}
	if ns := o.Namespace; !ns.IsZero() && !ns.Within(r.opts.Repository) {
		return r.began.Sub(since) >= r.config.Trash
	}
	return r.waitOver(since)
}

// planCondemned decides whether a condemned object is revived, waits or is destroyed, by what needs it.
func (r *run) planCondemned(p Planned, needs need) {
	if r.asked(p.Object) {
		r.explainObject(p.Object, needs&held != 0, r.future(p.condemned.Since, needs)...)
	}
	switch {
	case needs&held != 0:
		p.Why = "something that is live names it"
		r.plan.Revive = append(r.plan.Revive, p)
	case needs&awaited != 0 || !r.waitOverOf(p.Object, p.condemned.Since):
		r.plan.Waiting.add(p.Bytes)
	default:
		p.Why = "nothing needs it, and gc.trash is over"
		r.plan.Destroy = append(r.plan.Destroy, p)
	}
}

func (r *run) planManifests(g *graph, condemned []*registry.Condemned) {
	for _, one := range condemned {
		if one.Kind != registry.KindManifest {
			continue
		}
		i, known := g.index[one.Digest]
		if !known || !g.nodes[i].there || !g.nodes[i].condemned {
			continue // it was revived or destroyed meanwhile, or cannot be read
		}
		n := &g.nodes[i]
		r.planCondemned(Planned{Object: one.Object, Bytes: one.Size, condemned: one, subject: n.subject, depth: n.depth}, n.needs)
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if !n.there || n.condemned || n.needs&kept != 0 {
			continue
		}
		r.plan.Condemn = append(r.plan.Condemn, Planned{
			Object: registry.Object{Kind: registry.KindManifest, Namespace: g.ns, Digest: n.digest},
			Bytes:  n.size, Why: r.whyGone(g, i), storedAt: n.storedAt, subject: n.subject, depth: n.depth,
		})
	}
}

// whyGone says why a manifest is needed no more.
func (r *run) whyGone(g *graph, i int) string {
	n := &g.nodes[i]
	switch {
	case r.retention.Rules(g.ns):
		return "no rule keeps it, and nothing that is kept names it"
	case n.tagged:
		return "its tags go"
	}
	return fmt.Sprintf("untagged for longer than gc.untagged_after (%s), and nothing that is kept names it", timespan.Text(r.config.UntaggedAfter))
}

// planLinks lists the live links. Those that nothing names and that are old are condemned; every other one
// keeps its bytes.
func (r *run) planLinks(ctx context.Context, g *graph, condemned []*registry.Condemned) error {
	for d, err := range readable(r, r.registry.Links(ctx, g.ns)) {
		if err != nil {
			return err
		}
		r.plan.Totals.Links++
		r.phase.add(1, 0)
		if err := r.planLink(ctx, g, d); err != nil {
			return err
		}
	}
	for _, one := range condemned {
		if one.Kind == registry.KindLink {
			r.planCondemnedLink(g, one)
		}
	}
	return nil
}

func (r *run) planLink(ctx context.Context, g *graph, d oci.Digest) error {
	link := registry.Object{Kind: registry.KindLink, Namespace: g.ns, Digest: d}
	number := r.number(d)
	r.needs[number] |= held
	if r.movedAside[g.ns] {
		r.needs[number] |= kept
		r.explainObject(link, true, whyMovedAside)
		return nil
	}
	if blob := g.blobs[number]; blob.needs&kept != 0 {
		r.needs[number] |= kept
		if r.asked(link) {
			r.explainObject(link, true, append([]string{g.names(blob.by)}, g.chain(int(blob.by))...)...)
		}
		return nil
	}
	young, err := r.planUnneeded(ctx, link, "no manifest that is kept names it")
	if young {
		r.needs[number] |= kept
	}
	return err
}

// planCondemnedLink decides about a link, and keeps its bytes for as long as it is there.
func (r *run) planCondemnedLink(g *graph, condemned *registry.Condemned) {
	number := r.number(condemned.Digest)
	needs := g.blobs[number].needs
	if needs&held == 0 && !r.waitOverOf(condemned.Object, condemned.Since) {
		needs |= awaited
	}
	r.needs[number] |= needs | unlinked
	r.planCondemned(Planned{Object: condemned.Object, Bytes: condemned.Size, condemned: condemned}, needs)
}

// planEntry decides about the catalog's entry: a namespace that has nothing at all any more, nor anything
// that can be restored, need not be listed.
func (r *run) planEntry(ctx context.Context, g *graph, condemned []*registry.Condemned, hasLinks bool) error {
	entry := registry.Object{Kind: registry.KindNamespace, Namespace: g.ns}
	used := len(g.tags) > 0 || slices.ContainsFunc(g.nodes, func(n node) bool { return n.there || n.pending })
	for _, one := range condemned {
		if one.Object != entry {
			continue
		}
		var needs need
		if used {
			needs = held
		}
		r.planCondemned(Planned{Object: entry, condemned: one}, needs)
	}
	if used || hasLinks || len(condemned) > 0 || len(r.trash[g.ns]) > 0 {
		return nil
	}
	_, err := r.planUnneeded(ctx, entry, "nothing is in it any more")
	return err
}

// planUnneeded condemns what nothing needs, unless it is young.
func (r *run) planUnneeded(ctx context.Context, o registry.Object, why string) (young bool, err error) {
	young, info, err := r.young(ctx, o)
	switch {
	case err != nil:
	case young:
		if !info.StoredAt.IsZero() && !info.Condemned {
			r.plan.Young.add(info.Size)
		}
		r.explainObject(o, true, r.whyYoung())
	default:
		r.plan.Condemn = append(r.plan.Condemn, Planned{Object: o, Bytes: info.Size, Why: why, storedAt: info.StoredAt})
		r.explainObject(o, false, why, r.willBeDestroyed())
	}
	return young, err
}

// young looks at how old something is that nothing needs. What is gone meanwhile counts as young: there is
// nothing to do about it.
func (r *run) young(ctx context.Context, o registry.Object) (young bool, info registry.ObjectInfo, err error) {
	if err := r.wait(ctx); err != nil {
		return false, info, err
	}
	info, err = r.registry.Stat(ctx, o)
	if errors.Is(err, registry.ErrGone) {
		return true, info, nil
	}
	return err == nil && (info.Condemned || !r.chosen(o) && r.began.Sub(info.StoredAt) < r.config.Grace), info, err
}

// markBlobs lists the bytes. Those that no link needs and that are old are condemned.
func (r *run) markBlobs(ctx context.Context) error {
	for d, err := range readable(r, r.registry.Blobs(ctx)) {
		if err != nil {
			return err
		}
		r.plan.Totals.Blobs++
		r.phase.add(1, 0)
		if err := r.planBlob(ctx, registry.Object{Kind: registry.KindBlob, Digest: d}); err != nil {
			return err
		}
	}
	for i := range r.condemned {
		if condemned := &r.condemned[i]; condemned.Kind == registry.KindBlob {
			r.planCondemned(Planned{Object: condemned.Object, Bytes: condemned.Size, condemned: condemned}, r.blobNeeds(condemned.Digest))
		}
	}
	return nil
}

func (r *run) planBlob(ctx context.Context, blob registry.Object) error {
	needs := r.blobNeeds(blob.Digest)
	if needs&kept != 0 {
		r.explainObject(blob, true, "a namespace holds it")
		return nil
	}
	if needs&unlinked == 0 {
		r.unexplained++
	}
	if n, known := r.blobs.find(blob.Digest); known {
		r.needs[n] |= leftover
	}
	_, err := r.planUnneeded(ctx, blob, "no namespace that needs it holds it")
	return err
}

func (r *run) blobNeeds(d oci.Digest) need {
	if n, known := r.blobs.find(d); known {
		return r.needs[n]
	}
	return 0
}

// planMarkers chooses the markers of deleted blobs to drop: of those that no manifest names any more, so that no
// repair would link the blob again. A young one of a manifest may be that of a delete under way.
func (r *run) planMarkers(ctx context.Context, g *graph, markers []registry.Marker) error {
	if len(markers) == 0 || r.movedAside[g.ns] {
		return nil
	}
	named := map[uint32]bool{}
	for i := range g.nodes {
		if g.nodes[i].index { // no repair links what an index names
			continue
		}
		for _, blob := range g.nodes[i].blobs {
			named[blob] = true
		}
	}
	for _, entry := range r.trash[g.ns] {
		for _, blob := range entry.blobs {
			named[blob] = true
		}
	}
	for _, marker := range markers {
		if i, known := g.index[marker.Digest]; known {
			if !g.nodes[i].back.IsZero() {
				continue // it goes when the manifest is there
			}
			young, _, err := r.young(ctx, registry.Object{Kind: registry.KindMarker, Namespace: g.ns, Digest: marker.Digest})
			if err != nil {
				return err
			}
			if young {
				continue
			}
		}
		if number, known := r.blobs.find(marker.Digest); !known || !named[number] {
			r.plan.markers = append(r.plan.markers, marker)
		}
	}
	return nil
}
