package gc

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// mark looks for what is needed, and makes the plan. Its order is part of what makes a run safe: it lists what is
// condemned first, and what is pending before what is live.
func (r *run) mark(ctx context.Context) error {
	r.begin("mark", 0)
	defer r.phase.end()
	err := r.markInOrder(ctx)
	if err != nil && ctx.Err() == nil {
		r.plan.Problems = append(r.plan.Problems, err.Error())
		return nil
	}
	return err
}

func (r *run) markInOrder(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.listCondemned, r.listTrash, r.listPending, r.listMovedAside, r.markNamespaces} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if r.opts.Only == RetentionPart {
		return nil
	}
	if err := r.markBlobs(ctx); err != nil {
		return err
	}
	// A marker tells why no namespace holds a blob, so it stays as long as the bytes do.
	r.plan.markers = slices.DeleteFunc(r.plan.markers, func(m registry.Marker) bool { return r.blobNeeds(m.Digest)&leftover != 0 })
	return r.listCondemnedAgain(ctx)
}

// noteDamage adds what cannot be read to the problems of the plan, so that the mark goes on and finds all of
// them. Other errors end the mark.
func (r *run) noteDamage(err error) error {
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
				if err = r.noteDamage(err); err == nil {
					continue
				}
			}
			if !yield(one, err) {
				return
			}
		}
	}
}

func (r *run) listCondemned(ctx context.Context) error {
	for condemned, err := range readable(r, r.registry.Condemned(ctx)) {
		if err != nil {
			return err
		}
		r.condemned = append(r.condemned, condemned)
	}
	return nil
}

// listCondemnedAgain looks for what was condemned while the mark ran. Another collector did that, which has lost its
// claim and does not know it yet. The mark may have found such an object neither live nor on its list, so nothing that
// the object may need is destroyed in this run.
func (r *run) listCondemnedAgain(ctx context.Context) error {
	seed := maphash.MakeSeed()
	listed := make(map[uint64]bool, len(r.condemned)) // by hashes: a list may be long
	for _, one := range r.condemned {
		listed[maphash.Comparable(seed, one.Object)] = true
	}
	for one, err := range r.registry.Condemned(ctx) {
		if errors.Is(err, registry.ErrDamaged) {
			continue // listCondemned has noted it
		}
		if err != nil {
			return err
		}
		if one.Kind == registry.KindBlob || listed[maphash.Comparable(seed, one.Object)] {
			continue
		}
		r.warn(fmt.Sprintf("%s was condemned while this run looked for what is needed: another collector has lost its claim and goes on", one.Object))
		r.noteChange(one.Namespace)
		r.keepBytes(Planned{Object: one.Object})
	}
	return nil
}

// trashEntry is an entry of the trash, and what must be there to restore it. A client may delete any number of
// large manifests, and all entries stay in memory until the run ends: so their content does not.
type trashEntry struct {
	registry.TrashEntry
	size     int64 // bytes of its content; of one that goes
	blobs    []uint32
	children []oci.Digest
}

// listTrash finds the entries of the trash that can still be restored, and those whose time is over.
func (r *run) listTrash(ctx context.Context) error {
	for entry, err := range readable(r, r.registry.Trash(ctx, oci.Name{})) {
		if err != nil {
			return err
		}
		if err := r.wait(ctx); err != nil {
			return err
		}
		size := int64(len(entry.Content))
		one := r.trashEntry(entry)
		if r.began.Sub(entry.At) >= r.config.Trash {
			r.plan.Restore.add(size)
			r.plan.drop = append(r.plan.drop, trashEntry{TrashEntry: one.TrashEntry, size: size})
			continue
		}
		r.trash[entry.Namespace] = append(r.trash[entry.Namespace], one)
		r.plan.Trash++
	}
	return nil
}

// trashEntry keeps of an entry what it names, each once.
func (r *run) trashEntry(entry registry.TrashEntry) trashEntry {
	one := trashEntry{TrashEntry: entry}
	one.Content, one.Names = nil, oci.Manifest{}
	for _, blob := range allBlobs(entry.Names) {
		one.blobs = append(one.blobs, r.number(blob.Digest))
	}
	slices.Sort(one.blobs)
	one.blobs = slices.Clip(slices.Compact(one.blobs))
	seen := map[oci.Digest]bool{}
	for _, child := range entry.Names.Children() {
		if !seen[child.Digest] {
			seen[child.Digest] = true
			one.children = append(one.children, child.Digest)
		}
	}
	return one
}

// pending is a manifest whose push is under way.
type pending struct {
	*registry.Manifest
	names oci.Manifest
}

func (r *run) listPending(ctx context.Context) error {
	for stored, err := range readable(r, r.registry.Pending(ctx)) {
		if err != nil {
			return err
		}
		names, err := stored.Names()
		if err != nil {
			if err := r.noteDamage(err); err != nil {
				return err
			}
			continue
		}
		r.pending[stored.Namespace] = append(r.pending[stored.Namespace], pending{stored, names})
	}
	return nil
}

const whyMovedAside = "a damaged manifest or tag of its namespace was moved aside, and may have named it"

// listMovedAside finds the namespaces of which a repair moved a damaged manifest or tag aside. What that named
// looks unneeded, and must stay until it is pushed again, or somebody removes it from _corrupt.
func (r *run) listMovedAside(ctx context.Context) error {
	for ns, err := range r.registry.MovedAside(ctx) {
		if err != nil {
			return err
		}
		if !r.movedAside[ns] {
			r.movedAside[ns] = true
			r.warn(fmt.Sprintf("%s: nothing of it is condemned, because a damaged manifest or tag of it was moved aside; push it again, or remove it from _corrupt", ns))
		}
	}
	return nil
}

// markNamespaces visits every namespace that has anything, also where all of it is condemned, or can only be
// restored.
func (r *run) markNamespaces(ctx context.Context) error {
	condemned := map[oci.Name][]*registry.Condemned{}
	for i := range r.condemned {
		if one := &r.condemned[i]; one.Kind != registry.KindBlob {
			condemned[one.Namespace] = append(condemned[one.Namespace], one)
		}
	}
	visited := map[oci.Name]bool{}
	visit := func(ns oci.Name) error {
		visited[ns] = true
		err := r.markNamespace(ctx, ns, condemned[ns])
		delete(condemned, ns)
		delete(r.pending, ns)
		delete(r.trash, ns)
		return err
	}
	for ns, err := range readable(r, r.registry.Namespaces(ctx)) {
		if err != nil {
			return err
		}
		r.namespaces++
		r.plan.Totals.Namespaces++
		if r.opts.Only == RetentionPart && !r.appliesRules(ns) {
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
	for ns, err := range readable(r, r.registry.InCatalog(ctx)) {
		if err != nil {
			return err
		}
		if !visited[ns] && r.opts.Only != RetentionPart {
			rest = append(rest, ns)
		}
	}
	rest = slices.AppendSeq(rest, maps.Keys(condemned))
	rest = slices.AppendSeq(rest, maps.Keys(r.pending))
	rest = slices.AppendSeq(rest, maps.Keys(r.trash))
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
func (r *run) markNamespace(ctx context.Context, ns oci.Name, condemned []*registry.Condemned) error {
	g := newGraph(ns, r.number)
	g.images = r.retention.Rules(ns)
	// Before the manifests: then the mark sees every manifest that was pushed before one of these deletes. A
	// delete that comes later writes another marker, which this run does not drop.
	markers, err := r.readMarkers(ctx, ns)
	if err != nil {
		return err
	}
	if err := r.readManifests(ctx, g, condemned); err != nil {
		return err
	}
	if err := r.readTags(ctx, g); err != nil {
		return err
	}
	if err := r.planBringBack(ctx, g, markers); err != nil {
		return err
	}
	g.addReferrers()
	g.setDepths()

	r.hold(g)
	if err := r.keep(ctx, g); err != nil {
		return err
	}
	r.await(g, condemned)
	r.explainNamespace(g)
	if r.opts.Only == RetentionPart {
		return nil
	}
	r.planManifests(g, condemned)
	links := r.plan.Totals.Links
	if err := r.planLinks(ctx, g, condemned); err != nil {
		return err
	}
	if err := r.planEntry(ctx, g, condemned, r.plan.Totals.Links > links); err != nil {
		return err
	}
	for number, blob := range g.blobs {
		r.needs[number] |= blob.needs & awaited
	}
	if err := r.planMarkers(ctx, g, markers); err != nil {
		return err
	}
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
