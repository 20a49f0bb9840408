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

func (u *undoing) now(ctx context.Context, tag oci.Tag) (tagNow, error) {
	_, record, err := u.r.tagObject(ctx, u.Namespace, tag)
	if errors.Is(err, storage.ErrNotExist) {
		return tagNow{}, nil
	}
	if err != nil {
		return tagNow{}, fmt.Errorf("read tag %s in %s: %w", tag, u.Namespace, err)
	}
	gone, err := u.r.absent(ctx, u.Namespace, record.Digest)
	return tagNow{record: record, there: !gone}, err
}

// tag brings a tag back: to the value that want names, else to its last one, but then never over another
// value that it has by now.
func (u *undoing) tag(ctx context.Context, tag oci.Tag, want oci.Digest) error {
	now, err := u.now(ctx, tag)
	if err != nil {
		return err
	}
	back := tagUndo{tag: tag, to: want, rollback: !want.IsZero()}
	if err := u.judge(ctx, now, &back); err != nil {
		return err
	}
	if now.there && now.record.Digest == back.to {
		whole, err := u.whole(ctx, back.to, visited{})
		if err != nil {
			return err
		}
		if whole {
			u.note(Restored{Kind: KindTag, Tag: tag, Digest: back.to, Found: true})
			return nil
		}
	}
	if u.DryRun {
		if err := u.check(ctx, back.to); err != nil {
			return err
		}
		u.note(Restored{Kind: KindTag, Tag: tag, Digest: back.to})
		return nil
	}
	return u.putTag(ctx, back)
}

// tagUndo is how a tag is brought back.
type tagUndo struct {
	tag      oci.Tag
	to       oci.Digest
	rollback bool       // it may replace another value
	lost     []knownTag // what it was whenever it was removed, the last one first, if it is gone
}

// judge finds the value that the tag is to have, and refuses what must not be.
func (u *undoing) judge(ctx context.Context, now tagNow, back *tagUndo) error {
	history, err := u.records(ctx, now, back.tag)
	if err != nil {
		return err
	}
	if len(history) == 0 {
		return fmt.Errorf("%w: tag %s of %s", ErrNotKept, back.tag, u.Namespace)
	}
	if now.record.Digest.IsZero() {
		back.lost = history
	}
	if !back.rollback {
		back.to = history[0].Digest
		if kept := u.trash.tags[back.tag]; now.there && len(kept) > 0 && kept[0].Digest != back.to {
			return &TagMovedError{Namespace: u.Namespace, Tag: back.tag, Now: now.record.Digest, Kept: kept[0].Digest}
		}
		return nil
	}
	if !slices.ContainsFunc(history, func(known knownTag) bool { return known.stoodFor(back.to) }) {
		return fmt.Errorf("%w: tag %s of %s has not stood for %s as far as its history goes", ErrNotKept, back.tag, u.Namespace, back.to)
	}
	if now.there && u.r.rules.immutable(u.Namespace, back.tag) && now.record.Digest != back.to {
		return &ImmutableTagError{Tag: back.tag, Now: now.record.Digest}
	}
	return nil
}

// knownTag is a record of a tag, and the entry of the trash that it is from; nil for the present one.
type knownTag struct {
	tagRecord
	removed *Removed
}

// records are all that is known of a tag: its record now, then those in the trash, the last one first.
func (u *undoing) records(ctx context.Context, now tagNow, tag oci.Tag) ([]knownTag, error) {
	var all []knownTag
	if !now.record.Digest.IsZero() {
		all = append(all, knownTag{tagRecord: now.record})
	}
	for _, entry := range u.trash.tags[tag] {
		kept, err := u.r.readKept(ctx, u.Namespace, entry.Key)
		if errors.Is(err, storage.ErrNotExist) || errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		record, err := kept.tagRecord()
		if err != nil {
			continue // damaged, as above
		}
		all = append(all, knownTag{tagRecord: record, removed: &kept.Removed})
	}
	return all, nil
}

func (t tagRecord) stoodFor(d oci.Digest) bool {
	return slices.ContainsFunc(t.values(), func(value tagValue) bool { return value.Digest == d })
}

// values are the present value and the former ones.
func (t tagRecord) values() []tagValue { return append([]tagValue{t.tagValue}, t.Former...) }

// valuesOf are the values of all records, each once: what came back once came with its history.
func valuesOf(records []knownTag) (values []tagValue) {
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
func (v tagValue) is(other tagValue) bool {
	return v.Digest == other.Digest && v.PushedAt.Equal(other.PushedAt)
}

// putTag keeps the promise rule for a tag: the revision, the tag, a last look at the revision.
func (u *undoing) putTag(ctx context.Context, back tagUndo) error {
	m, err := u.find(ctx, back.to)
	if err != nil {
		return err
	}
	for range attempts {
		if err := u.push(ctx, m, maxDepth); err != nil {
			return err
		}
		value := tagValue{Digest: back.to, MediaType: m.MediaType, Size: int64(len(m.Content)), PushedAt: u.r.now().UTC(), By: u.By}
		err = u.r.changeTag(ctx, u.Namespace, back.tag, func(now tagRecord) (tagRecord, error) { return u.nextTag(ctx, now, back, value) })
		if err != nil {
			return err
		}
		_, err = u.r.metadata.Revive(ctx, revisionKey(u.Namespace, back.to))
		if errors.Is(err, storage.ErrNotExist) {
			continue // a delete ran meanwhile
		}
		if err != nil {
			return fmt.Errorf("restore tag %s in %s: %w", back.tag, u.Namespace, err)
		}
		for _, lost := range back.lost {
			u.used = append(u.used, *lost.removed)
		}
		u.note(Restored{Kind: KindTag, Tag: back.tag, Digest: back.to})
		return nil
	}
	return fmt.Errorf("restore tag %s in %s: %w", back.tag, u.Namespace, ErrDisturbed)
}

// nextTag is the record of a tag that comes back. Its history goes on where it ended.
func (u *undoing) nextTag(ctx context.Context, now tagRecord, back tagUndo, value tagValue) (tagRecord, error) {
	immutable := u.r.rules.immutable(u.Namespace, back.tag)
	if now.Digest.IsZero() {
		former := valuesOf(back.lost)
		now.Former = former[:min(len(former), formerTags)]
		return now.next(value, immutable), nil
	}
	if immutable || !back.rollback {
		err := u.r.refuseChange(ctx, u.Namespace, back.tag, now, value.Digest)
		var other *ImmutableTagError
		if errors.As(err, &other) && !immutable {
			err = &TagMovedError{Namespace: u.Namespace, Tag: back.tag, Now: now.Digest, Kept: value.Digest}
		}
		if err != nil {
			return tagRecord{}, err
		}
	}
	return now.next(value, immutable), nil
}
