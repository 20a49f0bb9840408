package gc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// mark looks for what is needed, and makes the plan. Its order is part of what makes a run safe: the trash
// is listed first, and what is pending before what is live.
func (r *run) mark(ctx context.Context) error {
	r.begin("mark")
	defer r.phase.end()
	err := r.lookAround(ctx)
	if err != nil && ctx.Err() == nil {
		r.plan.Problems = append(r.plan.Problems, err.Error())
		return nil
	}
	return err
}

func (r *run) lookAround(ctx context.Context) error {
	if err := r.listTrash(ctx); err != nil {
		return err
	}
	if err := r.listUndos(ctx); err != nil {
		return err
	}
	if err := r.listPending(ctx); err != nil {
		return err
	}
	if err := r.listAside(ctx); err != nil {
		return err
	}
	if err := r.markNamespaces(ctx); err != nil {
		return err
	}
	if r.opts.Only == RetentionPart {
		return nil
	}
	return r.markBlobs(ctx)
}

// damage notes what cannot be read, and lets the mark go on to find the rest of it. Other errors end it.
func (r *run) damage(err error) error {
	if !errors.Is(err, registry.ErrDamaged) {
		return err
	}
	r.plan.Problems = append(r.plan.Problems, err.Error())
	return nil
}

// readable passes over what cannot be read, and notes it.
func readable[T any](r *run, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for one, err := range all {
			if err != nil {
				if err = r.damage(err); err == nil {
					continue
				}
			}
			if !yield(one, err) {
				return
			}
		}
	}
}

func (r *run) listTrash(ctx context.Context) error {
	for condemned, err := range readable(r, r.registry.Condemned(ctx)) {
		if err != nil {
			return err
		}
		r.trash = append(r.trash, condemned)
	}
	return nil
}

// listUndos finds what can still be restored, and what cannot any longer.
func (r *run) listUndos(ctx context.Context) error {
	for undo, err := range readable(r, r.registry.KeptInTrash(ctx)) {
		if err != nil {
			return err
		}
		if err := r.wait(ctx); err != nil {
			return err
		}
		if r.began.Sub(undo.At) >= r.config.Trash {
			r.plan.Restore.add(undo.Size)
			undo.Manifest = nil
			r.plan.drop = append(r.plan.drop, undo)
			continue
		}
		r.undos[undo.Namespace] = append(r.undos[undo.Namespace], r.toRestore(undo))
	}
	return nil
}

// undo is an entry of the trash and what has to be there for it. A client may delete any number of large
// manifests, and they are in mind until the end: so of each no more than that.
type undo struct {
	registry.Kept
	blobs    []uint32
	children []oci.Digest
}

func (r *run) toRestore(kept registry.Kept) undo {
	u := undo{Kept: kept}
	u.Manifest = nil
	if kept.Manifest == nil {
		return u
	}
	for _, blob := range allBlobs(*kept.Manifest) {
		u.blobs = append(u.blobs, r.number(blob.Digest))
	}
	seen := map[oci.Digest]bool{}
	for _, child := range kept.Manifest.Children() {
		if !seen[child.Digest] {
			seen[child.Digest] = true
			u.children = append(u.children, child.Digest)
		}
	}
	slices.Sort(u.blobs)
	u.blobs = slices.Clip(slices.Compact(u.blobs))
	return u
}

func (r *run) listPending(ctx context.Context) error {
	for pending, err := range readable(r, r.registry.Pending(ctx)) {
		if err != nil {
			return err
		}
		r.pending[pending.Namespace] = append(r.pending[pending.Namespace], pending)
	}
	return nil
}

const whyAside = "a damaged manifest or tag of its namespace was moved aside, and may have named it"

// listAside finds the namespaces in which something is missing that was no good: what it named looks as if
// nothing did, and waits until it is pushed again, or somebody removes what lies aside.
func (r *run) listAside(ctx context.Context) error {
	for ns, err := range r.registry.MovedAside(ctx) {
		if err != nil {
			return err
		}
		if !r.aside[ns] {
			r.aside[ns] = true
			r.warn(fmt.Sprintf("%s: nothing of it is condemned, because a damaged manifest or tag of it was moved aside; push it again, or remove it from _corrupt", ns))
		}
	}
	return nil
}

// markNamespaces visits every namespace that has anything: also one of which all is condemned, or can only
// be restored.
func (r *run) markNamespaces(ctx context.Context) error {
	trash := map[oci.Name][]registry.Condemned{}
	for _, condemned := range r.trash {
		if condemned.Kind != registry.KindBlob {
			trash[condemned.Namespace] = append(trash[condemned.Namespace], condemned)
		}
	}
	visited := map[oci.Name]bool{}
	visit := func(ns oci.Name) error {
		visited[ns] = true
		err := r.markNamespace(ctx, ns, trash[ns])
		delete(trash, ns)
		delete(r.pending, ns)
		delete(r.undos, ns)
		return err
	}
	for ns, err := range readable(r, r.registry.Namespaces(ctx)) {
		if err != nil {
			return err
		}
		r.spaces++
		r.plan.Totals.Namespaces++
		if r.opts.Only == RetentionPart && !r.judges(ns) {
			if err := r.countTags(ctx, ns); err != nil {
				return err
			}
			continue
		}
		if err := visit(ns); err != nil {
			return err
		}
	}
	var rest []oci.Name
	for ns, err := range readable(r, r.registry.Enrolled(ctx)) {
		if err != nil {
			return err
		}
		if !visited[ns] && r.opts.Only != RetentionPart {
			rest = append(rest, ns)
		}
	}
	for ns := range trash {
		rest = append(rest, ns)
	}
	for ns := range r.pending {
		rest = append(rest, ns)
	}
	for ns := range r.undos {
		rest = append(rest, ns)
	}
	slices.SortFunc(rest, func(a, b oci.Name) int { return strings.Compare(a.String(), b.String()) })
	for _, ns := range slices.Compact(rest) {
		if err := visit(ns); err != nil {
			return err
		}
	}
	return nil
}

// markNamespace reads what one namespace holds, decides what of it is needed, and plans what becomes of
// the rest. What it names of blobs is noted for all namespaces together.
func (r *run) markNamespace(ctx context.Context, ns oci.Name, trash []registry.Condemned) error {
	g := newGraph(ns, r.number)
	// Before the manifests: a delete behind this leaves another marker, and one before it takes a blob away
	// that no manifest which is not seen here can have held.
	markers, err := r.readMarkers(ctx, ns)
	if err != nil {
		return err
	}
	if err := r.readManifests(ctx, g, trash); err != nil {
		return err
	}
	if err := r.readTags(ctx, g); err != nil {
		return err
	}
	g.join()
	g.heights()

	r.hold(g)
	if err := r.judge(ctx, g); err != nil {
		return err
	}
	r.await(g, trash)
	r.explainNamespace(g)
	if r.opts.Only == RetentionPart {
		return nil
	}
	r.planManifests(g, trash)
	links := r.plan.Totals.Links
	if err := r.planLinks(ctx, g, trash); err != nil {
		return err
	}
	if err := r.planEntry(ctx, g, trash, r.plan.Totals.Links > links); err != nil {
		return err
	}
	for number, blob := range g.blobs {
		r.needs[number] |= blob.needs & awaited
	}
	r.planMarkers(g, markers)
	return r.planUnfinished(ctx, g)
}

// number is the one that the run knows a blob by.
func (r *run) number(d oci.Digest) uint32 {
	n, fresh := r.blobs.number(d)
	if fresh {
		r.needs = append(r.needs, 0)
	}
	return n
}
