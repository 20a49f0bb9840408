package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Removed is one entry of the trash: what a client or retention removed, kept for an undo.
type Removed struct {
	Key       string // where the entry lies
	Kind      Kind
	Namespace oci.Name
	Tag       oci.Tag // of a tag, else zero
	Digest    oci.Digest
	At        time.Time
	By        string
	Why       string // empty: a client asked for it
	// Size is that of a blob; of a manifest and what it names; of the manifest that a tag stood for. In
	// bytes; zero if it is not known any more.
	Size int64
}

// Trash yields what was removed from a namespace and from those below it, or from all if it is zero: in
// the order of the namespaces, and in each of them the oldest first. An entry that cannot be read comes
// as an error beside its Key, and the next ones follow; an error without a key ends the listing. It
// shows also namespaces that clients are not shown: it is for whoever looks after the store.
func (m *Maintenance) Trash(ctx context.Context, within oci.Name) iter.Seq2[Removed, error] {
	return func(yield func(Removed, error) bool) {
		for ns, err := range m.trashed(ctx, within) {
			if err != nil {
				yield(Removed{}, err)
				return
			}
			for kept, err := range m.trashOf(ctx, ns) {
				if err == nil {
					kept.Size, err = m.sizeOf(ctx, kept)
				}
				if !yield(kept.Removed, err) || err != nil && kept.Key == "" {
					return
				}
			}
		}
	}
}

// DropTrash makes a removal final as far as the trash goes. What the collector has not destroyed yet
// stays until it does.
func (m *Maintenance) DropTrash(ctx context.Context, entry Removed) error {
	if m.config.ReadOnly {
		return fmt.Errorf("drop %s: %w", entry.Key, ErrReadOnly)
	}
	if err := m.metadata.Delete(ctx, entry.Key, storage.DeleteOptions{}); err != nil {
		return fmt.Errorf("drop %s: %w", entry.Key, err)
	}
	return nil
}

// ExpireTrash drops all entries from before a time, by the time in their names, and says how many.
func (m *Maintenance) ExpireTrash(ctx context.Context, before time.Time) (dropped int, err error) {
	for ns, err := range m.trashed(ctx, oci.Name{}) {
		if err != nil {
			return dropped, err
		}
		for entry, err := range m.metadata.List(ctx, trashPrefix(ns), storage.ListOptions{}) {
			if err != nil {
				return dropped, fmt.Errorf("list the trash of %s: %w", ns, err)
			}
			at, ok := deletedAt(entry.Name)
			if !ok {
				continue // not ours: somebody else put it there
			}
			if !at.Before(before) {
				break // so are all that follow
			}
			if err := m.DropTrash(ctx, Removed{Key: trashPrefix(ns) + "/" + entry.Name}); err != nil {
				return dropped, err
			}
			dropped++
		}
	}
	return dropped, nil
}

// trashed yields the namespaces that have a trash.
func (m *Maintenance) trashed(ctx context.Context, within oci.Name) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for entry, err := range m.metadata.List(ctx, deletedPrefix, storage.ListOptions{}) {
			if err != nil {
				yield(oci.Name{}, fmt.Errorf("list the trash: %w", err))
				return
			}
			ns, err := unflatten(strings.TrimSuffix(entry.Name, "/"))
			if err != nil || !ns.Within(within) {
				continue
			}
			if !yield(ns, nil) {
				return
			}
		}
	}
}

// keptEntry is an entry with the content of the object that went.
type keptEntry struct {
	Removed
	content []byte
}

// trashOf yields the entries of one namespace, the oldest first, without their sizes. Errors are as those
// of Trash.
func (m *Maintenance) trashOf(ctx context.Context, ns oci.Name) iter.Seq2[keptEntry, error] {
	return func(yield func(keptEntry, error) bool) {
		for entry, err := range m.metadata.List(ctx, trashPrefix(ns), storage.ListOptions{}) {
			if err != nil {
				yield(keptEntry{}, fmt.Errorf("list the trash of %s: %w", ns, err))
				return
			}
			key := trashPrefix(ns) + "/" + entry.Name
			kept, err := m.readKept(ctx, ns, key)
			if errors.Is(err, storage.ErrNotExist) {
				continue // restored or dropped meanwhile
			}
			if err != nil {
				kept = keptEntry{Removed: Removed{Key: key, Namespace: ns}}
			}
			if !yield(kept, err) {
				return
			}
		}
	}
}

func (m *Maintenance) readKept(ctx context.Context, ns oci.Name, key string) (keptEntry, error) {
	object, err := m.metadata.Get(ctx, key)
	if err != nil {
		return keptEntry{}, fmt.Errorf("read %s: %w", key, err)
	}
	kept, err := parseKept(object.Data)
	if err == nil && kept.Namespace != ns {
		err = fmt.Errorf("want an entry of %s, got one of %q", ns, kept.Namespace)
	}
	if err != nil {
		return keptEntry{}, damaged(key, err)
	}
	kept.Key = key
	return kept, nil
}

func parseKept(data []byte) (keptEntry, error) {
	var record deletedRecord
	content, err := unpackRecord(data, &record)
	if err != nil {
		return keptEntry{}, err
	}
	kept := keptEntry{content: content, Removed: Removed{
		Kind: record.Kind, Namespace: record.Namespace, Digest: record.Digest,
		At: record.DeletedAt, By: record.By, Why: record.Why,
	}}
	if kept.Digest.IsZero() {
		return keptEntry{}, errors.New("want a digest, got none")
	}
	switch record.Kind {
	case KindTag:
		kept.Tag, err = oci.ParseTag(record.Tag)
		return kept, err
	case KindManifest, KindBlob:
		return kept, nil
	}
	return keptEntry{}, fmt.Errorf("want a manifest, tag or blob, got a %q", record.Kind)
}

// sizeOf tells what an entry keeps from being destroyed.
func (m *Maintenance) sizeOf(ctx context.Context, kept keptEntry) (int64, error) {
	switch kept.Kind {
	case KindTag:
		record, err := kept.tagRecord()
		return record.Size, err
	case KindManifest:
		stored, err := kept.manifest()
		if err != nil {
			return 0, err
		}
		manifest, err := oci.ParseManifest(stored.MediaType, stored.Content)
		if err != nil {
			return 0, damaged(kept.Key, err)
		}
		size := int64(len(stored.Content))
		for _, named := range append(manifest.Blobs(), manifest.Children()...) {
			size += named.Size
		}
		return size, nil
	}
	info, err := m.blobs.Stat(ctx, blobKey(kept.Digest))
	if errors.Is(err, storage.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("stat blob %s: %w", kept.Digest, err)
	}
	return info.Size, nil
}

// tagRecord is what a tag was when it was removed.
func (k keptEntry) tagRecord() (record tagRecord, err error) {
	if err := json.Unmarshal(k.content, &record); err != nil {
		return tagRecord{}, damaged(k.Key, err)
	}
	return record, nil
}

// manifest is a revision as it was when it was removed. It hashes what it reads, as nobody has since.
func (k keptEntry) manifest() (*Manifest, error) {
	var record revisionRecord
	content, err := unpackRecord(k.content, &record)
	if err != nil {
		return nil, damaged(k.Key, err)
	}
	if got := oci.DigestOf(k.Digest.Algorithm(), content); got != k.Digest {
		return nil, damaged(k.Key, fmt.Errorf("want the manifest %s, got %s", k.Digest, got))
	}
	return &Manifest{Digest: k.Digest, MediaType: record.MediaType, Content: content, PushedAt: record.PushedAt, By: record.By}, nil
}

// trashIndex is what the trash of a namespace holds, without the content: for each manifest and blob the
// last removal, for each tag all of them, the last one first.
type trashIndex struct {
	manifests, blobs map[oci.Digest]Removed
	tags             map[oci.Tag][]Removed
}

// readTrash passes over entries that are damaged; Trash shows them.
func (m *Maintenance) readTrash(ctx context.Context, ns oci.Name) (trashIndex, error) {
	index := trashIndex{manifests: map[oci.Digest]Removed{}, blobs: map[oci.Digest]Removed{}, tags: map[oci.Tag][]Removed{}}
	for kept, err := range m.trashOf(ctx, ns) {
		if errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return trashIndex{}, err
		}
		switch kept.Kind {
		case KindManifest:
			index.manifests[kept.Digest] = kept.Removed
		case KindBlob:
			index.blobs[kept.Digest] = kept.Removed
		case KindTag:
			index.tags[kept.Tag] = append(index.tags[kept.Tag], kept.Removed)
		}
	}
	for _, entries := range index.tags {
		slices.Reverse(entries)
	}
	return index, nil
}
