package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// currentTag is what a tag stands for now. S2: it is there only with its revision.
type currentTag struct {
	record tagRecord
	there  bool
}

func (rs *restoring) currentTag(ctx context.Context, tag oci.Tag) (currentTag, error) {
	stored, err := rs.m.readTag(ctx, rs.Namespace, tag)
	if errors.Is(err, storage.ErrNotExist) {
		return currentTag{}, nil
	}
	if err != nil {
		return currentTag{}, fmt.Errorf("read tag %s in %s: %w", tag, rs.Namespace, err)
	}
	gone, err := rs.m.absent(ctx, rs.Namespace, stored.Digest)
	return currentTag{record: stored.tagRecord, there: !gone}, err
}

// tag restores a tag: to the value that want names, else to its last one, but then never over another
// value that it has by now.
func (rs *restoring) tag(ctx context.Context, tag oci.Tag, want oci.Digest) error {
	now, err := rs.currentTag(ctx, tag)
	if err != nil {
		return err
	}
	back := tagRestore{tag: tag, to: want, rollback: !want.IsZero()}
	if err := rs.chooseValue(ctx, now, &back); err != nil {
		return err
	}
	if now.there && now.record.Digest == back.to {
		complete, err := rs.isComplete(ctx, back.to, visited{})
		if err != nil {
			return err
		}
		if complete {
			rs.addDone(Restored{Kind: KindTag, Tag: tag, Digest: back.to, Found: true})
			return nil
		}
	}
	if rs.DryRun {
		if err := rs.check(ctx, back.to); err != nil {
			return err
		}
		rs.addDone(Restored{Kind: KindTag, Tag: tag, Digest: back.to})
		return nil
	}
	return rs.putTag(ctx, back)
}

// tagRestore says how a tag is restored.
type tagRestore struct {
	tag      oci.Tag
	to       oci.Digest
	rollback bool      // it may replace another value
	removed  []pastTag // its records in the trash, the last one first, if it is gone
	lastPush time.Time // of the tag, whatever it stood for
}

// chooseValue finds the value that the tag is to have, and refuses one that it must not have.
func (rs *restoring) chooseValue(ctx context.Context, now currentTag, back *tagRestore) error {
	history, err := rs.records(ctx, now, back.tag)
	if err != nil {
		return err
	}
	if len(history) == 0 {
		return fmt.Errorf("%w: tag %s of %s", ErrNotInTrash, back.tag, rs.Namespace)
	}
	back.lastPush = history[0].LastPush()
	if now.record.Digest.IsZero() {
		back.removed = history
	}
	if !back.rollback {
		back.to = history[0].Digest
		if kept := rs.trash.tags[back.tag]; now.there && len(kept) > 0 && kept[0].Digest != back.to {
			return &TagMovedError{Namespace: rs.Namespace, Tag: back.tag, Now: now.record.Digest, Removed: kept[0].Digest}
		}
		return nil
	}
	if !slices.ContainsFunc(history, func(record pastTag) bool { return record.stoodFor(back.to) }) {
		return fmt.Errorf("%w: tag %s of %s has not stood for %s as far as its history goes", ErrNotInTrash, back.tag, rs.Namespace, back.to)
	}
	if now.there && rs.m.rules.immutable(rs.Namespace, back.tag) && now.record.Digest != back.to {
		return &ImmutableTagError{Tag: back.tag, Now: now.record.Digest}
	}
	return nil
}

// pastTag is a record of a tag, and the entry of the trash that it is from; nil for the current one.
type pastTag struct {
	tagRecord
	entry *TrashEntry
}

// records are those of a tag: the current one, then those in the trash, the last one first.
func (rs *restoring) records(ctx context.Context, now currentTag, tag oci.Tag) ([]pastTag, error) {
	var all []pastTag
	if !now.record.Digest.IsZero() {
		all = append(all, pastTag{tagRecord: now.record})
	}
	for _, entry := range rs.trash.tags[tag] {
		entry, err := rs.m.readTrashEntry(ctx, rs.Namespace, entry.Key)
		if errors.Is(err, storage.ErrNotExist) || errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		record, err := entry.tagRecord()
		if err != nil {
			continue // damaged, as above
		}
		all = append(all, pastTag{tagRecord: record, entry: &entry})
	}
	return all, nil
}

func (t tagRecord) stoodFor(d oci.Digest) bool {
	return slices.ContainsFunc(t.values(), func(value TagValue) bool { return value.Digest == d })
}

// values are the current value and the former ones.
func (t tagRecord) values() []TagValue { return append([]TagValue{t.TagValue}, t.Former...) }

// valuesOf are the values of all records, each once: a tag that was restored before has its history in both.
func valuesOf(records []pastTag) (values []TagValue) {
	for _, record := range records {
		for _, value := range record.values() {
			if !slices.ContainsFunc(values, value.samePush) {
				values = append(values, value)
			}
		}
	}
	return values
}

// samePush tells whether two are of one push of a tag.
func (v TagValue) samePush(other TagValue) bool {
	return v.Digest == other.Digest && v.PushedAt.Equal(other.PushedAt)
}

// putTag keeps the promise rule for a tag: the revision, the tag, a last look at the revision.
func (rs *restoring) putTag(ctx context.Context, back tagRestore) error {
	m, err := rs.find(ctx, back.to)
	if err != nil {
		return err
	}
	for range attempts {
		if err := rs.push(ctx, m, maxDepth); err != nil {
			return err
		}
		value := TagValue{Digest: back.to, MediaType: m.MediaType, Size: int64(len(m.Content)), PushedAt: rs.m.now().UTC(), By: rs.By}
		err = rs.m.changeTag(ctx, rs.Namespace, back.tag, nil, func(now StoredTag) (tagRecord, error) { return rs.nextTag(ctx, now, back, value) })
		if err != nil {
			return err
		}
		info, err := rs.m.metadata.Revive(ctx, revisionKey(rs.Namespace, back.to))
		if errors.Is(err, storage.ErrNotExist) || err == nil && info.State == storage.Condemned {
			continue // a delete or a collector ran meanwhile
		}
		if err != nil {
			return fmt.Errorf("restore tag %s in %s: %w", back.tag, rs.Namespace, err)
		}
		for _, record := range back.removed {
			rs.used = append(rs.used, *record.entry)
		}
		rs.addDone(Restored{Kind: KindTag, Tag: back.tag, Digest: back.to})
		return nil
	}
	return fmt.Errorf("restore tag %s in %s: %w", back.tag, rs.Namespace, ErrDisturbed)
}

// nextTag is the record of a restored tag. Its history goes on where it ended.
func (rs *restoring) nextTag(ctx context.Context, now StoredTag, back tagRestore, value TagValue) (tagRecord, error) {
	immutable := rs.m.rules.immutable(rs.Namespace, back.tag)
	if now.Digest.IsZero() {
		former := valuesOf(back.removed)
		now.Former = former[:min(len(former), formerTags)]
		return now.nextRestored(value, immutable, back.lastPush), nil
	}
	if immutable || !back.rollback {
		err := rs.m.refuseChange(ctx, rs.Namespace, now, value.Digest)
		var other *ImmutableTagError
		if errors.As(err, &other) && !immutable {
			err = &TagMovedError{Namespace: rs.Namespace, Tag: back.tag, Now: now.Digest, Removed: value.Digest}
		}
		if err != nil {
			return tagRecord{}, err
		}
	}
	return now.nextRestored(value, immutable, now.LastPush()), nil
}

// nextRestored is next for a restore.
func (t tagRecord) nextRestored(value TagValue, immutable bool, lastPush time.Time) tagRecord {
	next := t.next(value, immutable)
	next.RestoredAt, next.PushedBefore = value.PushedAt, lastPush
	return next
}
