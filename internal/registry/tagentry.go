package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// A tag entry is an empty object below the digest of a manifest, by which a delete of the manifest finds the tags that
// stand for it. It is there before a record of a tag names its id, and is removed after no record does any more.
//
// No other record ever gets that id. So whoever has replaced or removed the record, by check-and-set, may remove the
// entry, however late, and nobody else may: of an entry that no record names it is not known whether its pusher still
// runs. What a killed removal leaves goes with its entry of the trash; what a killed push leaves costs a delete of the
// manifest one look at the tag, and nothing else.

// addTagEntry writes the entry for a record that is about to be written, and gives its id.
func (r *core) addTagEntry(ctx context.Context, ns oci.Name, d oci.Digest, tag oci.Tag) (id string, err error) {
	id = newNonce()[:16]
	if _, err := r.metadata.Put(ctx, tagEntryKey(ns, d, id, tag), nil, storage.PutOptions{}); err != nil {
		return "", fmt.Errorf("put entry of tag %s in %s: %w", tag, ns, err)
	}
	return id, nil
}

// dropTagEntry removes the entry of a record that has been replaced or removed, or was never written.
func (r *core) dropTagEntry(ctx context.Context, ns oci.Name, tag oci.Tag, record tagRecord) error {
	if record.Entry == "" {
		return nil
	}
	key := tagEntryKey(ns, record.Digest, record.Entry, tag)
	if err := r.metadata.Delete(ctx, key, storage.DeleteOptions{MayReturn: true}); err != nil {
		return fmt.Errorf("drop entry of tag %s in %s: %w", tag, ns, err)
	}
	return nil
}

// dropRemovedTagEntry finishes the removal of a tag that was killed: its record, as the trash has it, names an entry that
// is not needed unless the tag names it still.
func (m *Maintenance) dropRemovedTagEntry(ctx context.Context, entry TrashEntry) error {
	kept, err := m.readTrashEntry(ctx, entry.Namespace, entry.Key)
	var record tagRecord
	if err == nil {
		record, err = kept.tagRecord()
	}
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, ErrDamaged) {
		return nil // it is not known any more
	}
	if err != nil {
		return err
	}
	now, err := m.readTag(ctx, entry.Namespace, entry.Tag)
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	if now.Entry == record.Entry {
		return nil
	}
	return m.dropTagEntry(ctx, entry.Namespace, entry.Tag, record)
}

// TagsOf gives the tags that stand for a manifest, in lexical order, at most n of them, and says whether there are
// more. A manifest that does not exist has none.
func (r *Registry) TagsOf(ctx context.Context, ns oci.Name, d oci.Digest, n int) (tags []oci.Tag, more bool, err error) {
	for tag, err := range r.candidateTags(ctx, ns, d) {
		if err != nil {
			return nil, false, err
		}
		now, err := r.tag(ctx, ns, tag)
		if err != nil && !errors.Is(err, storage.ErrNotExist) {
			return nil, false, fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
		}
		if err != nil || now.Digest != d {
			continue
		}
		if len(tags) == n {
			more = true
			break
		}
		tags = append(tags, tag)
	}
	slices.SortFunc(tags, compare)
	return tags, more, nil
}

// candidateTags yields the tags that may stand for a manifest, each of them once: whoever needs to know reads them.
// Those whose push begins after it need not come.
func (r *core) candidateTags(ctx context.Context, ns oci.Name, d oci.Digest) iter.Seq2[oci.Tag, error] {
	return func(yield func(oci.Tag, error) bool) {
		var last oci.Tag
		folder, begin, parse := tagsPrefix(ns), "", unescapeTag
		complete, err := r.tagEntriesComplete(ctx)
		if err != nil {
			yield(oci.Tag{}, err)
			return
		}
		if complete {
			folder, begin = tagEntriesOf(ns, d)
			parse = parseTagEntry
		}
		for entry, err := range r.metadata.List(ctx, folder, storage.ListOptions{After: begin}) {
			if err != nil {
				yield(oci.Tag{}, fmt.Errorf("list tags of %s: %w", ns, err))
				return
			}
			if !strings.HasPrefix(entry.Name, begin) {
				return
			}
			tag, err := parse(entry.Name)
			if err != nil || tag == last {
				continue // no name of a tag, or an entry that a killed push left
			}
			if last = tag; !yield(tag, nil) {
				return
			}
		}
	}
}

// tagEntriesComplete tells whether each tag of the store has an entry. A store that was made by a version of sreg which
// wrote none gets them from the collector.
func (r *core) tagEntriesComplete(ctx context.Context) (bool, error) {
	if r.state.tagEntries.Load() {
		return true, nil
	}
	format, _, err := readFormat(ctx, r.metadata)
	if err != nil {
		return false, fmt.Errorf("metadata store: %w", err)
	}
	complete := format.Format >= formatTagEntries
	r.state.tagEntries.Store(complete)
	return complete, nil
}

// TagEntriesComplete tells whether each tag of the store has an entry, which needs nothing to be done.
func (m *Maintenance) TagEntriesComplete(ctx context.Context) (bool, error) {
	return m.tagEntriesComplete(ctx)
}

// CompleteTag gives a tag its entry if it has none. What is gone has nothing to get.
func (m *Maintenance) CompleteTag(ctx context.Context, ns oci.Name, tag oci.Tag) error {
	stored, err := m.readTag(ctx, ns, tag)
	if err == nil {
		var there bool
		if there, err = m.hasTagEntry(ctx, ns, stored); there || err != nil {
			return err
		}
		err = m.changeTag(ctx, ns, tag, &stored, func(now StoredTag) (tagRecord, error) {
			if now.Digest.IsZero() {
				return tagRecord{}, storage.ErrNotExist
			}
			next := now.tagRecord
			next.Nonce, next.Entry = newNonce(), ""
			return next, nil
		})
	}
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	return err
}

// LacksTagEntry tells whether a tag has no entry, in a store in which each has one.
func (m *Maintenance) LacksTagEntry(ctx context.Context, ns oci.Name, tag oci.Tag) (bool, error) {
	complete, err := m.tagEntriesComplete(ctx)
	if err != nil || !complete {
		return false, err
	}
	for last := ""; ; {
		stored, err := m.readTag(ctx, ns, tag)
		if err != nil {
			return false, err
		}
		if there, err := m.hasTagEntry(ctx, ns, stored); there || err != nil {
			return false, err
		}
		if stored.Nonce == last {
			return true, nil
		}
		last = stored.Nonce // a push that has just replaced it may have dropped its entry
	}
}

// hasTagEntry tells whether the entry that a record names is there.
func (m *Maintenance) hasTagEntry(ctx context.Context, ns oci.Name, stored StoredTag) (bool, error) {
	if stored.Entry == "" {
		return false, nil
	}
	_, err := m.metadata.Stat(ctx, tagEntryKey(ns, stored.Digest, stored.Entry, stored.Tag))
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// NoteTagEntriesComplete writes down that each tag of the store has an entry, if the store has a format.
func (m *Maintenance) NoteTagEntriesComplete(ctx context.Context) error {
	value, err := m.metadata.Get(ctx, formatKey)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", formatKey, err)
	}
	var format formatRecord
	if format, err = parseFormat(value.Data); err != nil {
		return err
	}
	format.Format = max(format.Format, formatTagEntries)
	data, err := format.pack()
	if err == nil {
		_, err = m.metadata.Put(ctx, formatKey, data, storage.PutOptions{IfUnchanged: value.Version})
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", formatKey, err)
	}
	return nil
}
