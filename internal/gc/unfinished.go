package gc

import (
	"context"
	"errors"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// planBringBack finds the deletes that were killed behind the removal of a manifest and before they looked whether an
// immutable tag stands for it: one does. The manifest comes back from the trash, so it counts as one whose push is under way.
// If the delete runs still, it does the same.
func (r *run) planBringBack(ctx context.Context, g *graph, markers []registry.Marker) error {
	for _, marker := range markers {
		// What is pending may be what the delete itself has left.
		if i, known := g.index[marker.Digest]; !marker.Undecided || known && g.nodes[i].there {
			continue
		}
		tag, stands := r.immutableTagOf(g, marker.Digest)
		if !stands {
			continue
		}
		removed, err := r.registry.Removed(ctx, g.ns, marker.Digest)
		var names oci.Manifest
		if err == nil {
			names, err = removed.Names()
		}
		if errors.Is(err, registry.ErrGone) {
			continue
		}
		if err != nil {
			if err := r.noteDamage(err); err != nil {
				return err
			}
			continue
		}
		g.addPending(pending{removed, names})
		g.nodes[g.index[marker.Digest]].back = tag
		r.plan.Finish = append(r.plan.Finish, Unfinished{Namespace: g.ns, Digest: marker.Digest, Tag: tag.String(), BringBack: true, tag: tag})
	}
	return nil
}

func (r *run) immutableTagOf(g *graph, d oci.Digest) (tag oci.Tag, found bool) {
	for _, edge := range g.tags {
		if edge.stored.Digest == d && r.registry.IsImmutable(g.ns, edge.stored.Tag) {
			return edge.stored.Tag, true
		}
	}
	return oci.Tag{}, false
}

// wasDeleted tells whether the trash has a manifest, as it was when the run began.
func (r *run) wasDeleted(ns oci.Name, d oci.Digest) bool {
	isIt := func(entry trashEntry) bool { return entry.removed(ns, d) }
	return slices.ContainsFunc(r.plan.drop, isIt) || slices.ContainsFunc(r.trash[ns], isIt)
}

// removed tells whether an entry is that of a manifest.
func (e trashEntry) removed(ns oci.Name, d oci.Digest) bool {
	return e.Kind == registry.KindManifest && e.Digest == d && e.Namespace == ns
}

// isUnfinished tells whether what a tag stands for was deleted, and nothing else became of it. If only a later run can
// tell, the trash keeps what that will need to know it.
func (r *run) isUnfinished(g *graph, d oci.Digest) bool {
	if i, known := g.index[d]; known && (g.nodes[i].there || !g.nodes[i].back.IsZero()) {
		return false
	}
	if g.gone(d) && !r.movedAside[g.ns] {
		return r.wasDeleted(g.ns, d)
	}
	// A push of it is under way, which may fail, or it may be what was moved aside.
	r.plan.drop = slices.DeleteFunc(r.plan.drop, func(entry trashEntry) bool {
		found := entry.removed(g.ns, d)
		if found {
			r.plan.Restore.Objects--
			r.plan.Restore.Bytes -= entry.size
		}
		return found
	})
	return false
}

// planUnfinished finds what a delete that was killed left behind: tags and referrer entries of a manifest that is
// gone. Of a manifest that the trash does not have nobody knows that it was deleted, so its tags stay: verification tells
// of them.
func (r *run) planUnfinished(ctx context.Context, g *graph) error {
	unfinished := map[oci.Digest]bool{}
	for _, tag := range g.tags {
		d := tag.stored.Digest
		if _, known := unfinished[d]; !known {
			unfinished[d] = r.isUnfinished(g, d)
		}
		if unfinished[d] {
			r.plan.Finish = append(r.plan.Finish, Unfinished{
				Namespace: g.ns, Digest: d, Tag: tag.stored.Tag.String(), tag: tag.stored.Tag,
			})
		}
	}
	for entry, err := range readable(r, r.registry.ReferrerEntries(ctx, g.ns)) {
		if err != nil {
			return err
		}
		if g.gone(entry.Digest) {
			r.plan.Finish = append(r.plan.Finish, Unfinished{Namespace: g.ns, Digest: entry.Digest, Subject: entry.Subject})
		}
	}
	return nil
}
