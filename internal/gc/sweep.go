package gc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// by is the name in the trash and in histories of tags for what retention removes.
const by = "retention"

// planUploads finds the uploads that have expired.
func (r *run) planUploads(ctx context.Context) error {
	r.begin("uploads", 0)
	defer r.phase.end()
	for session, err := range r.registry.Sessions(ctx) {
		if err != nil && session.ID == "" {
			return err
		}
		if err != nil {
			r.fail(err)
			continue
		}
		if session.Expired && (r.opts.Repository.IsZero() || !session.Namespace.IsZero() && session.Namespace.Within(r.opts.Repository)) {
			r.plan.Uploads = append(r.plan.Uploads, PlannedUpload{Namespace: session.Namespace.String(), Bytes: session.Size, session: session})
		}
	}
	return nil
}

// each does something with every item, several at a time. An error that is about one item is noted; only
// the end of the context ends it.
func each[T any](ctx context.Context, r *run, items []T, do func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.config.Concurrency)
	for _, item := range items {
		if err := r.wait(ctx); err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			err := do(ctx, item)
			if err != nil && ctx.Err() == nil {
				r.fail(err)
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// removeTags removes the tags that no rule keeps, and last those that belong to a subject. If a tag was pushed
// again meanwhile, it stays, and so does everything else in its namespace that was to go.
func (r *run) removeTags(ctx context.Context) error {
	r.begin("retention", len(r.plan.Tags))
	defer r.phase.end()
	var own, bound []PlannedTag
	for _, tag := range r.plan.Tags {
		if tag.subject.IsZero() {
			own = append(own, tag)
		} else {
			bound = append(bound, tag)
		}
	}
	if err := each(ctx, r, own, r.removeTag); err != nil {
		return err
	}
	return each(ctx, r, bound, func(ctx context.Context, tag PlannedTag) error {
		anew, err := r.pushedAnew(ctx, tag)
		if err != nil || anew {
			r.noteChange(tag.Namespace)
			return err
		}
		return r.removeTag(ctx, tag)
	})
}

func (r *run) removeTag(ctx context.Context, tag PlannedTag) error {
	err := r.registry.RemoveTag(ctx, tag.Namespace, tag.stored, by, tag.Why)
	if err != nil {
		r.noteChange(tag.Namespace)
	}
	if errors.Is(err, registry.ErrTagChanged) {
		return nil
	}
	if err == nil {
		r.count(&r.report.Removed, 0)
	}
	return err
}

// pushedAnew tells whether the subject of a tag, or a tag of its namespace, was pushed again since the plan was
// made: then the subject may stay.
func (r *run) pushedAnew(ctx context.Context, tag PlannedTag) (bool, error) {
	if r.outdated(Planned{Object: registry.Object{Kind: registry.KindTag, Namespace: tag.Namespace}}) {
		return true, nil
	}
	info, err := r.registry.Stat(ctx, registry.Object{Kind: registry.KindManifest, Namespace: tag.Namespace, Digest: tag.subject})
	if errors.Is(err, registry.ErrGone) {
		return false, nil
	}
	return err == nil && !info.StoredAt.Equal(tag.subjectAt), err
}

// noteChange notes that a namespace has changed since the plan was made.
func (r *run) noteChange(ns oci.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[ns] = true
}

// count adds to the report and to the phase.
func (r *run) count(tally *Tally, bytes int64) {
	r.mu.Lock()
	tally.add(bytes)
	r.mu.Unlock()
	r.phase.add(1, bytes)
}

func (r *run) endUploads(ctx context.Context) error {
	r.begin("uploads", len(r.plan.Uploads))
	defer r.phase.end()
	err := each(ctx, r, r.plan.Uploads, func(ctx context.Context, upload PlannedUpload) error {
		err := r.registry.EndSession(ctx, upload.session)
		if err == nil {
			r.count(&r.report.Uploads, upload.Bytes)
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := r.registry.SweepTemporary(ctx); err != nil {
		r.fail(err)
	}
	return ctx.Err()
}

// revive makes live what is needed again, what is named before what names it.
func (r *run) revive(ctx context.Context) error {
	r.begin("revive", len(r.plan.Revive))
	defer r.phase.end()
	return inBatches(ctx, r, batches(r.plan.Revive, -1), func(ctx context.Context, p Planned) error {
		err := r.registry.Revive(ctx, p.Object)
		if err == nil {
			r.count(&r.report.Revived, p.Bytes)
		}
		return skipGone(err)
	})
}

// destroy ends what has been condemned for long enough. What names another thing goes before that thing, and the
// first error ends it: what is left may still be named by what could not be destroyed. If a manifest is not
// condemned any more, nothing else of its namespace is destroyed.
func (r *run) destroy(ctx context.Context) error {
	r.begin("destroy", len(r.plan.Destroy))
	defer r.phase.end()
	err := inBatches(ctx, r, batches(r.plan.Destroy, +1), func(ctx context.Context, p Planned) error {
		if r.outdated(p) {
			r.keepBytes(p)
			return nil
		}
		err := r.registry.Destroy(ctx, *p.condemned)
		if errors.Is(err, registry.ErrGone) && p.Kind == registry.KindManifest {
			r.noteChange(p.Namespace) // a push that has just ended may have revived it, and needs what it names
		}
		if err != nil {
			return skipGone(err)
		}
		r.count(&r.report.Freed, p.Bytes)
		if p.Kind == registry.KindManifest {
			return r.registry.FinishRemoval(ctx, p.Namespace, p.Digest, p.subject, nil, by)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// What is unfinished is known by its entry of the trash, which so stays until that is done.
	if err := inBatches(ctx, r, [][]Unfinished{r.plan.Finish}, r.finish); err != nil {
		return err
	}
	if err := each(ctx, r, r.plan.drop, r.dropTrash); err != nil {
		return err
	}
	if err := each(ctx, r, r.plan.markers, r.registry.DropMarker); err != nil {
		return err
	}
	return each(ctx, r, r.touched(), func(ctx context.Context, ns oci.Name) error {
		return r.registry.PrunePulls(ctx, ns, func(oci.Tag) bool { return false }, func(oci.Digest) bool { return false })
	})
}

func (r *run) dropTrash(ctx context.Context, entry trashEntry) error {
	return r.registry.DropTrash(ctx, entry.TrashEntry)
}

// finish ends a delete that was killed.
func (r *run) finish(ctx context.Context, left Unfinished) error {
	if left.BringBack {
		back, err := r.registry.BringBack(ctx, left.Namespace, left.Digest)
		if err == nil && back {
			r.count(&r.report.Finished, 0)
			r.warn(fmt.Sprintf("%s@%s: a delete was interrupted, and the manifest is back, because the immutable tag %s stands for it", left.Namespace, left.Digest, left.Tag))
		}
		return err
	}
	var tags []oci.Tag
	if left.Tag != "" {
		tags = []oci.Tag{left.tag}
		r.warn(fmt.Sprintf("%s:%s: a delete of %s was interrupted, and the tag is removed, too", left.Namespace, left.Tag, left.Digest))
	}
	err := r.registry.FinishRemoval(ctx, left.Namespace, left.Digest, left.Subject, tags, "gc")
	if err == nil {
		r.count(&r.report.Finished, 0)
	}
	return err
}

// completeTags gives the tags of a store that an earlier version of sreg made the entries by which they are found. What
// fails is done by the next run.
func (r *run) completeTags(ctx context.Context) error {
	complete, err := r.registry.TagEntriesComplete(ctx)
	if err != nil || complete {
		return err
	}
	r.begin("tags", 0)
	defer r.phase.end()
	before := r.errorCount()
	for ns, err := range r.registry.Namespaces(ctx) {
		if err != nil {
			return err
		}
		var tags []oci.Tag
		for tag, err := range r.registry.Tags(ctx, ns) {
			if err != nil {
				return err
			}
			tags = append(tags, tag)
		}
		err := each(ctx, r, tags, func(ctx context.Context, tag oci.Tag) error {
			r.phase.add(1, 0)
			return r.registry.CompleteTag(ctx, ns, tag)
		})
		if err != nil {
			return err
		}
	}
	if r.errorCount() > before {
		return nil
	}
	return r.registry.NoteTagEntriesComplete(ctx)
}

// touched are the namespaces that lost a tag or a manifest, and so may have times of pulls of what is gone.
func (r *run) touched() []oci.Name {
	lost := map[oci.Name]bool{}
	for _, ns := range r.stalePulls {
		lost[ns] = true
	}
	for _, tag := range r.plan.Tags {
		lost[tag.Namespace] = true
	}
	for _, planned := range r.plan.Destroy {
		if planned.Kind == registry.KindManifest {
			lost[planned.Namespace] = true
		}
	}
	for _, left := range r.plan.Finish {
		lost[left.Namespace] = true
	}
	for _, removed := range r.plan.drop { // by clients, too
		lost[removed.Namespace] = true
	}
	return slices.Collect(maps.Keys(lost))
}

// condemn is the last step of a run. What it condemns is not on the list that the run began with, so only a later
// run can destroy it; and the mark of that run sees everything that was promised until now.
func (r *run) condemn(ctx context.Context) error {
	r.begin("condemn", len(r.plan.Condemn))
	defer r.phase.end()
	return inBatches(ctx, r, batches(r.plan.Condemn, +1), func(ctx context.Context, p Planned) error {
		if r.outdated(p) {
			r.keepBytes(p)
			return nil
		}
		// Whoever wrote it again since the mark needs it. If it were condemned all the same, the next run would
		// revive it.
		info, err := r.registry.Stat(ctx, p.Object)
		if err != nil {
			return skipGone(err)
		}
		if !info.StoredAt.Equal(p.storedAt) {
			r.keepBytes(p)
			return nil
		}
		if p.Kind == registry.KindNamespace {
			if condemned, err := r.registry.CondemnNamespace(ctx, p.Namespace); err != nil || !condemned {
				return skipGone(err)
			}
		} else if err := r.registry.Condemn(ctx, p.Object); errors.Is(err, registry.ErrBusy) {
			r.leaveBusy(p) // the upload that it came by is still open
			return nil
		} else if err != nil {
			return skipGone(err)
		}
		r.count(&r.report.Awaiting, p.Bytes)
		return nil
	})
}

// outdated tells whether the plan for an object is: it is not to be condemned or destroyed after all.
func (r *run) outdated(p Planned) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed[p.Namespace] || p.Kind == registry.KindBlob && r.bytesKept[p.Digest]
}

// leaveBusy counts what is not condemned in this run, because the upload that it came by is still open.
func (r *run) leaveBusy(p Planned) {
	r.keepBytes(p)
	r.count(&r.report.Busy, p.Bytes)
}

// keepBytes keeps the bytes of a link that stays: links come before bytes.
func (r *run) keepBytes(p Planned) {
	if p.Kind != registry.KindLink {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytesKept[p.Digest] = true
}

// skipGone is no error for what is gone or was revived meanwhile: others work on the store, too.
func skipGone(err error) error {
	if errors.Is(err, registry.ErrGone) {
		return nil
	}
	return err
}

// rank is the order in which objects are destroyed: what names comes before what is named.
var rank = map[registry.Kind]int{registry.KindManifest: 0, registry.KindLink: 1, registry.KindBlob: 2, registry.KindNamespace: 3}

// batches sorts objects: with direction 1 what names another thing comes before that thing, with -1 after it.
// Objects of one batch do not name each other.
func batches(objects []Planned, direction int) [][]Planned {
	sorted := slices.Clone(objects)
	order := func(a, b Planned) int {
		if a.Kind != b.Kind {
			return direction * (rank[a.Kind] - rank[b.Kind])
		}
		return direction * (b.depth - a.depth)
	}
	slices.SortStableFunc(sorted, order)
	var all [][]Planned
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && order(sorted[0], sorted[n]) == 0 {
			n++
		}
		all = append(all, sorted[:n])
		sorted = sorted[n:]
	}
	return all
}

// inBatches does one batch after the other, and stops after the first that had an error.
func inBatches[T any](ctx context.Context, r *run, all [][]T, do func(context.Context, T) error) error {
	for _, batch := range all {
		before := r.errorCount()
		if err := each(ctx, r, batch, do); err != nil {
			return err
		}
		if r.errorCount() > before {
			return fmt.Errorf("%w: %d errors in phase %s", ErrIncomplete, r.errorCount(), r.phase.name)
		}
	}
	return nil
}

func (r *run) errorCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.ErrorCount
}
