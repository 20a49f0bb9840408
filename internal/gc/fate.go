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

// await marks what must not be destroyed yet: what can be restored, and what a condemned manifest names that
// is not destroyed in this run. A condemned one is there for every reader, and so is all that it names.
func (r *run) await(g *graph, trash []registry.Condemned) {
	for _, undo := range r.undos[g.ns] {
		if undo.Kind == registry.KindBlob {
			g.needBlob(g.number(undo.Digest), awaited, 0)
			continue
		}
		for _, number := range undo.blobs {
			g.needBlob(number, awaited, 0)
		}
		for _, child := range undo.children {
			g.need(g.node(child), awaited, "")
		}
		g.need(g.node(undo.Digest), awaited, "")
	}
	for _, condemned := range trash {
		if condemned.Kind == registry.KindManifest && !r.ripeIn(g.ns, condemned.Since) {
			g.need(g.node(condemned.Digest), awaited, "")
		}
	}
}

// ripe tells whether what is condemned since then may be destroyed.
func (r *run) ripe(since time.Time) bool { return r.began.Sub(since) >= r.trashFor }

// ripeIn is ripe for what belongs to a namespace: to one that the run is not about its trash is left. Bytes
// belong to none, and wait for the links that lead to them.
func (r *run) ripeIn(ns oci.Name, since time.Time) bool {
	if !ns.IsZero() && !ns.Within(r.opts.Repository) {
		return r.began.Sub(since) >= r.config.Trash
	}
	return r.ripe(since)
}

// fate plans what becomes of a condemned thing by what it is needed for.
func (r *run) fate(p Planned, needs need) {
	switch {
	case needs&held != 0:
		p.Why = "something that is live names it"
		r.plan.Revive = append(r.plan.Revive, p)
	case needs&awaited != 0 || !r.ripeIn(p.Namespace, p.condemned.Since):
		r.plan.Waiting.add(p.Bytes)
	default:
		p.Why = "nothing needs it, and gc.trash is over"
		r.plan.Destroy = append(r.plan.Destroy, p)
	}
}

func (r *run) planManifests(g *graph, trash []registry.Condemned) {
	for _, condemned := range trash {
		if condemned.Kind != registry.KindManifest {
			continue
		}
		i, known := g.index[condemned.Digest]
		if !known || !g.nodes[i].there || !g.nodes[i].condemned {
			continue // it was revived or destroyed meanwhile, or cannot be read
		}
		n := &g.nodes[i]
		r.fate(Planned{Thing: condemned.Thing, Bytes: condemned.Size, condemned: condemned, subject: n.subject, depth: n.depth}, n.needs)
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if !n.there || n.condemned || n.needs&kept != 0 {
			continue
		}
		r.plan.Condemn = append(r.plan.Condemn, Planned{
			Thing: registry.Thing{Kind: registry.KindManifest, Namespace: g.ns, Digest: n.digest},
			Bytes: n.size, Why: r.whyGone(g, i), storedAt: n.storedAt, subject: n.subject, depth: n.depth,
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
func (r *run) planLinks(ctx context.Context, g *graph, trash []registry.Condemned) error {
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
	for _, condemned := range trash {
		if condemned.Kind == registry.KindLink {
			r.planCondemnedLink(g, condemned)
		}
	}
	return nil
}

func (r *run) planLink(ctx context.Context, g *graph, d oci.Digest) error {
	thing := registry.Thing{Kind: registry.KindLink, Namespace: g.ns, Digest: d}
	number := r.number(d)
	r.needs[number] |= held
	if r.aside[g.ns] {
		r.needs[number] |= kept
		r.explainThing(thing, true, whyAside)
		return nil
	}
	if blob := g.blobs[number]; blob.needs&kept != 0 {
		r.needs[number] |= kept
		if r.asked(thing) {
			r.explainThing(thing, true, append([]string{g.names(blob.by)}, g.chain(int(blob.by))...)...)
		}
		return nil
	}
	young, info, err := r.young(ctx, thing)
	if err != nil {
		return err
	}
	if young {
		r.needs[number] |= kept
		r.explainThing(thing, true, r.whyYoung())
		return nil
	}
	planned := Planned{Thing: thing, Bytes: info.Size, Why: "no manifest that is kept names it", storedAt: info.StoredAt}
	r.plan.Condemn = append(r.plan.Condemn, planned)
	r.explainThing(thing, false, planned.Why, r.willBeDestroyed())
	return nil
}

// planCondemnedLink decides about a link, and keeps its bytes for as long as it is there.
func (r *run) planCondemnedLink(g *graph, condemned registry.Condemned) {
	number := r.number(condemned.Digest)
	needs := g.blobs[number].needs
	if needs&held == 0 && !r.ripeIn(g.ns, condemned.Since) {
		needs |= awaited
	}
	r.needs[number] |= needs
	r.fate(Planned{Thing: condemned.Thing, Bytes: condemned.Size, condemned: condemned}, needs)
	r.explainThing(condemned.Thing, needs&held != 0, r.departing(condemned.Since, needs)...)
}

// planEntry decides about the catalog's entry: a namespace that has nothing at all any more, nor anything
// that can be restored, need not be listed.
func (r *run) planEntry(ctx context.Context, g *graph, trash []registry.Condemned, hasLinks bool) error {
	entry := registry.Thing{Kind: registry.KindNamespace, Namespace: g.ns}
	used := len(g.tags) > 0 || slices.ContainsFunc(g.nodes, func(n node) bool { return n.there || n.pending })
	for _, condemned := range trash {
		if condemned.Thing != entry {
			continue
		}
		var needs need
		if used {
			needs = held
		}
		r.fate(Planned{Thing: entry, condemned: condemned}, needs)
	}
	if used || hasLinks || len(trash) > 0 || len(r.undos[g.ns]) > 0 {
		return nil
	}
	young, info, err := r.young(ctx, entry)
	if err == nil && !young {
		r.plan.Condemn = append(r.plan.Condemn, Planned{Thing: entry, Why: "nothing is in it any more", storedAt: info.StoredAt})
	}
	return err
}

// young looks at how old something is that nothing needs. What went away meanwhile counts as young: there is
// nothing to do about it.
func (r *run) young(ctx context.Context, t registry.Thing) (young bool, info registry.ThingInfo, err error) {
	if err := r.wait(ctx); err != nil {
		return false, info, err
	}
	info, err = r.registry.Stat(ctx, t)
	if errors.Is(err, registry.ErrGone) {
		return true, info, nil
	}
	return err == nil && (info.Condemned || r.began.Sub(info.StoredAt) < r.config.Grace), info, err
}

// markBlobs lists the bytes. Those that no link needs and that are old are condemned.
func (r *run) markBlobs(ctx context.Context) error {
	for d, err := range readable(r, r.registry.Blobs(ctx)) {
		if err != nil {
			return err
		}
		r.plan.Totals.Blobs++
		r.phase.add(1, 0)
		if err := r.planBlob(ctx, registry.Thing{Kind: registry.KindBlob, Digest: d}); err != nil {
			return err
		}
	}
	for _, condemned := range r.trash {
		if condemned.Kind == registry.KindBlob {
			needs := r.blobNeeds(condemned.Digest)
			r.fate(Planned{Thing: condemned.Thing, Bytes: condemned.Size, condemned: condemned}, needs)
			r.explainThing(condemned.Thing, needs&held != 0, r.departing(condemned.Since, needs)...)
		}
	}
	return nil
}

func (r *run) planBlob(ctx context.Context, thing registry.Thing) error {
	if r.blobNeeds(thing.Digest)&kept != 0 {
		r.explainThing(thing, true, "a namespace holds it")
		return nil
	}
	young, info, err := r.young(ctx, thing)
	if err != nil {
		return err
	}
	if young {
		r.explainThing(thing, true, r.whyYoung())
		return nil
	}
	planned := Planned{Thing: thing, Bytes: info.Size, Why: "no namespace that needs it holds it", storedAt: info.StoredAt}
	r.plan.Condemn = append(r.plan.Condemn, planned)
	r.explainThing(thing, false, planned.Why, r.willBeDestroyed())
	return nil
}

func (r *run) blobNeeds(d oci.Digest) need {
	if n, known := r.blobs.find(d); known {
		return r.needs[n]
	}
	return 0
}

// planMarkers chooses the words of deletes of blobs that no manifest names any more, so that nothing would ever
// give the blob back.
func (r *run) planMarkers(g *graph, markers []registry.Marker) {
	if len(markers) == 0 || r.aside[g.ns] {
		return
	}
	named := map[uint32]bool{}
	for i := range g.nodes {
		for _, blob := range g.nodes[i].blobs {
			named[blob] = true
		}
	}
	for _, undo := range r.undos[g.ns] {
		for _, blob := range undo.blobs {
			named[blob] = true
		}
	}
	for _, marker := range markers {
		if number, known := r.blobs.find(marker.Digest); !known || !named[number] {
			r.plan.markers = append(r.plan.markers, marker)
		}
	}
}

// planUnfinished finds what a delete that was killed left: tags and referrer entries of what is gone.
func (r *run) planUnfinished(ctx context.Context, g *graph) error {
	for _, tag := range g.tags {
		if g.gone(tag.stored.Digest) && !r.aside[g.ns] {
			r.plan.Finish = append(r.plan.Finish, Unfinished{
				Namespace: g.ns, Digest: tag.stored.Digest, Tag: tag.stored.Tag.String(), tag: tag.stored.Tag,
			})
		}
	}
	for entry, err := range readable(r, r.registry.ReferrerEntries(ctx, g.ns)) {
		if err != nil {
			return err
		}
		if g.gone(entry.Referrer) {
			r.plan.Finish = append(r.plan.Finish, Unfinished{Namespace: g.ns, Digest: entry.Referrer, Subject: entry.Subject})
		}
	}
	return nil
}
