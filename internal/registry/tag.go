package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// DeleteTag removes a tag alone (spec: Deleting tags).
func (r *Registry) DeleteTag(ctx context.Context, ns oci.Name, tag oci.Tag, by string) error {
	if err := r.admitWrite(ns); err != nil {
		return err
	}
	for {
		stored, err := r.readTag(ctx, ns, tag)
		if err == nil {
			// S2: a tag whose manifest is gone is absent already.
			_, err = r.metadata.Stat(ctx, revisionKey(ns, stored.Digest))
		}
		if err != nil {
			return r.manifestError(ns, oci.Reference{Tag: tag}, err)
		}
		if r.rules.immutable(ns, tag) {
			return &ImmutableTagError{Tag: tag, Now: stored.Digest}
		}
		err = r.removeTag(ctx, ns, stored, removal{by: by})
		if !errors.Is(err, storage.ErrChanged) {
			return err
		}
	}
}

// ListTags gives at most n tags behind last in lexical order, and says whether more follow (spec:
// Listing tags).
func (r *Registry) ListTags(ctx context.Context, ns oci.Name, last string, n int) (tags []string, more bool, err error) {
	if err := r.admit(ns); err != nil {
		return nil, false, err
	}
	if _, err := r.metadata.Stat(ctx, namespaceKey(ns)); err != nil {
		if errors.Is(err, storage.ErrNotExist) {
			return nil, false, fmt.Errorf("%w: %s", ErrNameUnknown, ns)
		}
		return nil, false, fmt.Errorf("list tags of %s: %w", ns, err)
	}
	return r.page(ctx, tagsPrefix(ns), escapeTag(last), n, func(name string) (string, error) {
		tag, err := unescapeTag(name)
		return tag.String(), err
	})
}

// tag reads what a tag stands for, from the cache while one look shows the same object.
func (r *core) tag(ctx context.Context, ns oci.Name, tag oci.Tag) (TagValue, error) {
	return r.readTagValue(ctx, promising, ns, tag)
}

// pulledTag is tag for a pull, which over a service may be answered from memory.
func (r *Registry) pulledTag(ctx context.Context, ns oci.Name, tag oci.Tag) (TagValue, error) {
	return r.readTagValue(ctx, pulling, ns, tag)
}

func (r *core) readTagValue(ctx context.Context, why purpose, ns oci.Name, tag oci.Tag) (TagValue, error) {
	if !canBeStored(tag) {
		return TagValue{}, storage.ErrNotExist
	}
	value, _, err := read(ctx, r, why, r.state.tags, tagID{ns, tag}, tagID.key, parseTag)
	return value, err
}

func (id tagID) key() string { return tagKey(id.ns, id.tag) }

// tagCost is about what a cached tag takes beside its key, in bytes.
const tagCost = 400

func parseTag(_ tagID, object storage.Value) (TagValue, int64, error) {
	record, err := parseTagRecord(object.Data)
	if err != nil {
		return TagValue{}, 0, err
	}
	value := record.TagValue
	value.MediaType, value.By = oneCopy(value.MediaType), oneCopy(value.By)
	return value, tagCost, nil
}

// StoredTag is a tag as it is stored. It can be changed or removed as long as it is still that.
type StoredTag struct {
	Tag oci.Tag
	tagRecord
	version storage.Version
}

// readTag reads a tag from the store. One that is not there is a tag without a value, beside the error.
func (r *core) readTag(ctx context.Context, ns oci.Name, tag oci.Tag) (StoredTag, error) {
	key := tagKey(ns, tag)
	stored := StoredTag{Tag: tag}
	if !canBeStored(tag) {
		return stored, storage.ErrNotExist
	}
	object, err := r.liveObject(ctx, key)
	if err != nil {
		return stored, err
	}
	if stored.tagRecord, err = parseTagRecord(object.Data); err != nil {
		return stored, damaged(key, err)
	}
	stored.version = object.Version
	return stored, nil
}

// liveObject reads an object that is going to be changed by check-and-set, which only a live one can
// be: what is condemned is revived first.
func (r *core) liveObject(ctx context.Context, key string) (storage.Value, error) {
	for {
		object, err := r.metadata.Get(ctx, key)
		if err != nil || object.State == storage.Live {
			return object, err
		}
		if _, err := r.metadata.Revive(ctx, key); err != nil {
			return storage.Value{}, err
		}
	}
}

// maxComponent is the longest component of a key, in bytes.
const maxComponent = 255

// canBeStored is false for a tag of 128 capital letters alone: its key would have a component that is too long. No
// namespace has it.
func canBeStored(tag oci.Tag) bool { return len(escapeTag(tag.String())) <= maxComponent }

// refuseChange keeps an immutable tag for the manifest that it stands for, as long as that is there.
func (r *core) refuseChange(ctx context.Context, ns oci.Name, stored StoredTag, d oci.Digest) error {
	if stored.Digest == d || stored.Digest.IsZero() {
		return nil
	}
	gone, err := r.goneForGood(ctx, ns, stored)
	if err != nil || gone {
		return err
	}
	return &ImmutableTagError{Tag: stored.Tag, Now: stored.Digest}
}

// refuseDelete keeps a manifest that an immutable tag stands for. Only where tags are immutable does
// it cost a look at its tags.
func (r *core) refuseDelete(ctx context.Context, ns oci.Name, d oci.Digest) error {
	if !r.rules.immutableTags(ns) {
		return nil
	}
	for tag, err := range r.candidateTags(ctx, ns, d) {
		if err != nil {
			return err
		}
		if !r.rules.immutable(ns, tag) {
			continue
		}
		now, err := r.tag(ctx, ns, tag)
		if errors.Is(err, storage.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
		}
		if now.Digest == d {
			return &ImmutableTagError{Tag: tag, Now: d}
		}
	}
	return nil
}

// putTag makes a tag stand for a manifest: of two pushers one is first and the other one replaces it,
// whole.
func (r *core) putTag(ctx context.Context, ns oci.Name, tag oci.Tag, known *StoredTag, value TagValue) error {
	immutable := r.rules.immutable(ns, tag)
	return r.changeTag(ctx, ns, tag, known, func(now StoredTag) (tagRecord, error) {
		if immutable {
			if err := r.refuseChange(ctx, ns, now, value.Digest); err != nil {
				return tagRecord{}, err
			}
		}
		return now.next(value, immutable), nil
	})
}

// changeTag replaces a tag's record by check-and-set, as it is known or else is read. change gets the zero
// record for a tag that is not there, and is asked again when somebody else was faster; its error ends it. A record that
// has no tag entry gets one.
func (r *core) changeTag(
	ctx context.Context, ns oci.Name, tag oci.Tag, known *StoredTag, change func(now StoredTag) (tagRecord, error),
) error {
	for {
		changed, err := r.tryTag(ctx, ns, tag, known, change)
		if err != nil || changed {
			return err
		}
		known = nil
	}
}

func (r *core) tryTag(
	ctx context.Context, ns oci.Name, tag oci.Tag, known *StoredTag, change func(now StoredTag) (tagRecord, error),
) (changed bool, err error) {
	var now StoredTag
	if known != nil {
		now = *known
	} else if now, err = r.readTag(ctx, ns, tag); err != nil && !errors.Is(err, storage.ErrNotExist) {
		return false, fmt.Errorf("put tag %s in %s: %w", tag, ns, err)
	}
	next, err := change(now)
	if err != nil {
		return false, err
	}
	if next.Entry == "" {
		if next.Entry, err = r.addTagEntry(ctx, ns, next.Digest, tag); err != nil {
			return false, err
		}
	}
	data, err := next.pack()
	if err != nil {
		return false, fmt.Errorf("put tag %s in %s: %w", tag, ns, err)
	}
	opts := storage.PutOptions{IfUnchanged: now.version, IfAbsent: now.version == ""}
	_, err = r.metadata.Put(ctx, tagKey(ns, tag), data, opts)
	unused, changed := now.tagRecord, true
	if errors.Is(err, storage.ErrChanged) || errors.Is(err, storage.ErrExists) {
		unused, changed = next, false
	} else if err != nil {
		return false, fmt.Errorf("put tag %s in %s: %w", tag, ns, err)
	}
	if now.Entry == next.Entry {
		return changed, nil
	}
	// The tag is as it shall be, and the entry does no harm if it stays.
	_ = r.dropTagEntry(ctx, ns, tag, unused)
	return changed, nil
}

// next is the record after a push. The object is rewritten also when the tag stood for the same
// manifest already: a delete that read the old object must not remove the new one.
func (t tagRecord) next(value TagValue, immutable bool) tagRecord {
	next := tagRecord{TagValue: value, Nonce: newNonce(), Former: t.Former}
	switch {
	case t.Digest.IsZero():
	case t.Digest == value.Digest:
		next.Entry = t.Entry
		if immutable {
			// An immutable tag keeps its time, its pusher, and what a restore has given to it.
			next.TagValue, next.RestoredAt, next.PushedBefore = t.TagValue, t.RestoredAt, t.PushedBefore
		}
	default:
		next.Former = append([]TagValue{t.TagValue}, t.Former...)
		next.Former = next.Former[:min(len(next.Former), formerTags)]
	}
	return next
}

// LastPush is the time of its last push that was no restore, for ranks: a tag that is restored must not take the
// rank of one that was pushed after it. A restore by an earlier version of sreg kept no such time, and counts as a push.
func (t tagRecord) LastPush() time.Time {
	if t.PushedBefore.IsZero() {
		return t.PushedAt
	}
	return t.PushedBefore
}

// deleteTagsOf removes the tags that stand for a revision which is gone, each by check-and-set and
// only while it is gone.
func (r *Registry) deleteTagsOf(ctx context.Context, ns oci.Name, d oci.Digest, why removal) error {
	for tag, err := range r.candidateTags(ctx, ns, d) {
		if err != nil {
			return err
		}
		if err := r.deleteTagOf(ctx, ns, tag, d, why); err != nil {
			return err
		}
	}
	return nil
}

func (r *core) deleteTagOf(ctx context.Context, ns oci.Name, tag oci.Tag, d oci.Digest, why removal) error {
	for {
		stored, err := r.readTag(ctx, ns, tag)
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
		}
		if stored.Digest != d {
			return nil
		}
		// After the tag was read: a push that made the revision anew rewrites the tag behind it.
		gone, err := r.goneForGood(ctx, ns, stored)
		if err != nil || !gone {
			return err
		}
		err = r.removeTag(ctx, ns, stored, why)
		if !errors.Is(err, storage.ErrChanged) {
			return err
		}
	}
}

// removal is who removes something, and why if it is not because a client asked for it.
type removal struct{ by, why string }

// removeTag keeps the record in the trash and deletes the tag if it still is that record.
func (r *core) removeTag(ctx context.Context, ns oci.Name, tag StoredTag, why removal) error {
	content, err := tag.pack()
	if err != nil {
		return err
	}
	entry := TrashEntry{Kind: KindTag, Namespace: ns, Tag: tag.Tag, Digest: tag.Digest, By: why.by, Why: why.why, Content: content}
	if _, err := r.putTrashEntry(ctx, entry); err != nil {
		return err
	}
	err = r.metadata.Delete(ctx, tagKey(ns, tag.Tag), storage.DeleteOptions{IfUnchanged: tag.version})
	if err != nil {
		return fmt.Errorf("delete tag %s in %s: %w", tag.Tag, ns, err)
	}
	// The tag is gone, and the entry does no harm: it goes with the entry of the trash.
	_ = r.dropTagEntry(ctx, ns, tag.Tag, tag.tagRecord)
	return nil
}
