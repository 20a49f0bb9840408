package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// tagNow is what a tag stands for at the moment. S2: it is there only with its revision.
type tagNow struct {
	record tagRecord
	there  bool
}

func (rs *restoring) now(ctx context.Context, tag oci.Tag) (tagNow, error) {
	stored, err := rs.m.readTag(ctx, rs.Namespace, tag)
	if errors.Is(err, storage.ErrNotExist) {
		return tagNow{}, nil
	}
	if err != nil {
		return tagNow{}, fmt.Errorf("read tag %s in %s: %w", tag, rs.Namespace, err)
	}
	gone, err := rs.m.absent(ctx, rs.Namespace, stored.Digest)
	return tagNow{record: stored.tagRecord, there: !gone}, err
}

// tag brings a tag back: to the value that want names, else to its last one, but then never over another
// value that it has by now.
func (rs *restoring) tag(ctx context.Context, tag oci.Tag, want oci.Digest) error {
	now, err := rs.now(ctx, tag)
	if err != nil {
		return err
	}
	back := tagRestore{tag: tag, to: want, rollback: !want.IsZero()}
	if err := rs.judge(ctx, now, &back); err != nil {
		return err
	}
	if now.there && now.record.Digest == back.to {
		whole, err := rs.whole(ctx, back.to, visited{})
		if err != nil {
			return err
		}
		if whole {
			rs.note(Restored{Kind: KindTag, Tag: tag, Digest: back.to, Found: true})
			return nil
		}
	}
	if rs.DryRun {
		if err := rs.check(ctx, back.to); err != nil {
			return err
		}
		rs.note(Restored{Kind: KindTag, Tag: tag, Digest: back.to})
		return nil
	}
	return rs.putTag(ctx, back)
}

// tagRestore is how a tag is brought back.
type tagRestore struct {
	tag      oci.Tag
	to       oci.Digest
	rollback bool       // it may replace another value
	lost     []knownTag // what it was whenever it was removed, the last one first, if it is gone
}

// judge finds the value that the tag is to have, and refuses what must not be.
func (rs *restoring) judge(ctx context.Context, now tagNow, back *tagRestore) error {
	history, err := rs.records(ctx, now, back.tag)
	if err != nil {
		return err
	}
	if len(history) == 0 {
		return fmt.Errorf("%w: tag %s of %s", ErrNotInTrash, back.tag, rs.Namespace)
	}
	if now.record.Digest.IsZero() {
		back.lost = history
	}
	if !back.rollback {
		back.to = history[0].Digest
		if kept := rs.trash.tags[back.tag]; now.there && len(kept) > 0 && kept[0].Digest != back.to {
			return &TagMovedError{Namespace: rs.Namespace, Tag: back.tag, Now: now.record.Digest, Kept: kept[0].Digest}
		}
		return nil
	}
	if !slices.ContainsFunc(history, func(known knownTag) bool { return known.stoodFor(back.to) }) {
		return fmt.Errorf("%w: tag %s of %s has not stood for %s as far as its history goes", ErrNotInTrash, back.tag, rs.Namespace, back.to)
	}
	if now.there && rs.m.rules.immutable(rs.Namespace, back.tag) && now.record.Digest != back.to {
		return &ImmutableTagError{Tag: back.tag, Now: now.record.Digest}
	}
	return nil
}

// knownTag is a record of a tag, and the entry of the trash that it is from; nil for the present one.
type knownTag struct {
	tagRecord
	removed *TrashEntry
}

// records are all that is known of a tag: its record now, then those in the trash, the last one first.
func (rs *restoring) records(ctx context.Context, now tagNow, tag oci.Tag) ([]knownTag, error) {
	var all []knownTag
	if !now.record.Digest.IsZero() {
		all = append(all, knownTag{tagRecord: now.record})
	}
	for _, entry := range rs.trash.tags[tag] {
		entry, err := rs.m.readTrashEntry(ctx, rs.Namespace, entry.Key)
		if errors.Is(err, storage.ErrNotExist) || errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		record, err := entry.tagRecord()
		if err != nil {
			continue // damaged, as above
		}
		all = append(all, knownTag{tagRecord: record, removed: &entry})
	}
	return all, nil
}

func (t tagRecord) stoodFor(d oci.Digest) bool {
	return slices.ContainsFunc(t.values(), func(value TagValue) bool { return value.Digest == d })
}

// values are the present value and the former ones.
func (t tagRecord) values() []TagValue { return append([]TagValue{t.TagValue}, t.Former...) }

// valuesOf are the values of all records, each once: what came back once came with its history.
func valuesOf(records []knownTag) (values []TagValue) {
	for _, record := range records {
		for _, value := range record.values() {
			if !slices.ContainsFunc(values, value.is) {
				values = append(values, value)
			}
		}
	}
	return values
}

// is says whether two are one push of a tag.
func (v TagValue) is(other TagValue) bool {
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
		_, err = rs.m.metadata.Revive(ctx, revisionKey(rs.Namespace, back.to))
		if errors.Is(err, storage.ErrNotExist) {
			continue // a delete ran meanwhile
		}
		if err != nil {
			return fmt.Errorf("restore tag %s in %s: %w", back.tag, rs.Namespace, err)
		}
		for _, lost := range back.lost {
			rs.used = append(rs.used, *lost.removed)
		}
		rs.note(Restored{Kind: KindTag, Tag: back.tag, Digest: back.to})
		return nil
	}
	return fmt.Errorf("restore tag %s in %s: %w", back.tag, rs.Namespace, ErrDisturbed)
}

// nextTag is the record of a tag that comes back. Its history goes on where it ended.
func (rs *restoring) nextTag(ctx context.Context, now StoredTag, back tagRestore, value TagValue) (tagRecord, error) {
	immutable := rs.m.rules.immutable(rs.Namespace, back.tag)
	if now.Digest.IsZero() {
		former := valuesOf(back.lost)
		now.Former = former[:min(len(former), formerTags)]
		return now.next(value, immutable), nil
	}
	if immutable || !back.rollback {
		err := rs.m.refuseChange(ctx, rs.Namespace, now, value.Digest)
		var other *ImmutableTagError
		if errors.As(err, &other) && !immutable {
			err = &TagMovedError{Namespace: rs.Namespace, Tag: back.tag, Now: now.Digest, Kept: value.Digest}
		}
		if err != nil {
			return tagRecord{}, err
		}
	}
	return now.next(value, immutable), nil
}
