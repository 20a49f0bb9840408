package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// TrashEntry is what a client or retention removed, kept so that it can be restored.
type TrashEntry struct {
	Key       string // where the entry lies
	Kind      Kind   // of what was removed: a manifest, a tag or a blob
	Namespace oci.Name
	Tag       oci.Tag    // of a tag, else zero
	Digest    oci.Digest // of a tag: that of the manifest that it stood for
	At        time.Time
	By        string
	Why       string // empty: a client asked for it
	// Content is the object that was removed, byte for byte; that of a blob is kept as the blob.
	Content []byte
	// Names is what a manifest said, see Manifest.Names. Trash alone reads it.
	Names oci.Manifest
}

// Trash yields what was removed from a namespace and from those below it, or from all if it is zero: in
// the order of the namespaces, and in each of them the oldest first. An entry that cannot be read comes
// as an error beside its Key, and the next ones follow; an error without a key ends the listing.
func (m *Maintenance) Trash(ctx context.Context, within oci.Name) iter.Seq2[TrashEntry, error] {
	return func(yield func(TrashEntry, error) bool) {
		for ns, err := range m.trashed(ctx, within) {
			if err != nil {
				yield(TrashEntry{}, err)
				return
			}
			for entry, err := range m.trashOf(ctx, ns) {
				if err == nil {
					err = entry.parse()
				}
				if !yield(entry, err) || err != nil && entry.Key == "" {
					return
				}
			}
		}
	}
}

// InTrash yields the namespaces that have trash entries.
func (m *Maintenance) InTrash(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for ns, err := range m.trashed(ctx, oci.Name{}) {
			has := err != nil
			if err == nil {
				has, err = m.hasTrash(ctx, ns)
			}
			if (has || err != nil) && !yield(ns, err) {
				return
			}
		}
	}
}

// hasTrash tells whether there is anything in the folder of a namespace, which stays when its last entry goes.
func (m *Maintenance) hasTrash(ctx context.Context, ns oci.Name) (bool, error) {
	for _, err := range m.metadata.List(ctx, trashPrefix(ns), storage.ListOptions{}) {
		return err == nil, err
	}
	return false, nil
}

// trashed yields the namespaces at a name and below it that have trash entries, or had some.
func (m *Maintenance) trashed(ctx context.Context, within oci.Name) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for folder, err := range m.trashFolders(ctx, "") {
			if err != nil {
				yield(oci.Name{}, err)
				return
			}
			ns, err := unflatten(folder)
			if err != nil || !ns.Within(within) {
				continue
			}
			if !yield(ns, nil) {
				return
			}
		}
	}
}

// trashFolders yields the folders of the trash, one for each namespace. Those of long names lie one deeper.
func (m *Maintenance) trashFolders(ctx context.Context, above string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for entry, err := range m.metadata.List(ctx, deletedPrefix+above, storage.ListOptions{}) {
			if err != nil {
				yield("", fmt.Errorf("list the trash: %w", err))
				return
			}
			folder := strings.TrimPrefix(above+"/"+strings.TrimSuffix(entry.Name, "/"), "/")
			if above != "" || !strings.HasSuffix(folder, longMark) {
				if !yield(folder, nil) {
					return
				}
				continue
			}
			for folder, err := range m.trashFolders(ctx, "/"+folder) {
				if !yield(folder, err) || err != nil {
					return
				}
			}
		}
	}
}

// trashOf yields the entries of one namespace. Errors are as those of Trash.
func (m *Maintenance) trashOf(ctx context.Context, ns oci.Name) iter.Seq2[TrashEntry, error] {
	return func(yield func(TrashEntry, error) bool) {
		for name, err := range m.metadata.List(ctx, trashPrefix(ns), storage.ListOptions{}) {
			if err != nil {
				yield(TrashEntry{}, fmt.Errorf("list the trash of %s: %w", ns, err))
				return
			}
			key := trashPrefix(ns) + "/" + name.Name
			entry, err := m.readTrashEntry(ctx, ns, key)
			if errors.Is(err, storage.ErrNotExist) {
				continue // restored or dropped meanwhile
			}
			if err != nil {
				entry = TrashEntry{Key: key, Namespace: ns}
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

func (m *Maintenance) readTrashEntry(ctx context.Context, ns oci.Name, key string) (TrashEntry, error) {
	object, err := m.metadata.Get(ctx, key)
	if err != nil {
		return TrashEntry{}, fmt.Errorf("read %s: %w", key, err)
	}
	entry, err := parseTrashEntry(object.Data)
	if err == nil && entry.Namespace != ns {
		err = fmt.Errorf("want an entry of %s, got one of %q", ns, entry.Namespace)
	}
	if err != nil {
		return TrashEntry{}, damaged(key, err)
	}
	entry.Key = key
	return entry, nil
}

func parseTrashEntry(data []byte) (TrashEntry, error) {
	var record trashRecord
	content, err := unpackRecord(data, &record)
	if err != nil {
		return TrashEntry{}, err
	}
	entry := TrashEntry{
		Kind: record.Kind, Namespace: record.Namespace, Digest: record.Digest,
		At: record.DeletedAt, By: record.By, Why: record.Why, Content: content,
	}
	if entry.Digest.IsZero() {
		return TrashEntry{}, errors.New("want a digest, got none")
	}
	switch entry.Kind {
	case KindTag:
		entry.Tag, err = oci.ParseTag(record.Tag)
		return entry, err
	case KindManifest, KindBlob:
		return entry, nil
	}
	return TrashEntry{}, fmt.Errorf("want a manifest, tag or blob, got a %q", entry.Kind)
}

// putTrashEntry keeps what is about to be removed, and gives the key of the entry.
func (r *core) putTrashEntry(ctx context.Context, entry TrashEntry) (key string, err error) {
	entry.At = r.now().UTC()
	packed, err := packRecord(trashRecord{
		Kind: entry.Kind, Namespace: entry.Namespace, Tag: entry.Tag.String(), Digest: entry.Digest,
		DeletedAt: entry.At, By: entry.By, Why: entry.Why,
	}, entry.Content)
	if err != nil {
		return "", err
	}
	key = deletedKey(entry.Namespace, entry.At, newNonce())
	if _, err := r.metadata.Put(ctx, key, packed, storage.PutOptions{}); err != nil {
		return "", fmt.Errorf("put %s into the trash: %w", entry.Kind, err)
	}
	return key, nil
}

// DropTrash removes an entry from the trash: what it was for cannot be restored by it any more. What the collector has
// not destroyed yet stays until it does.
func (m *Maintenance) DropTrash(ctx context.Context, entry TrashEntry) error {
	if m.config.ReadOnly {
		return fmt.Errorf("drop %s: %w", entry.Key, ErrReadOnly)
	}
	if entry.Kind == KindTag {
		if err := m.dropRemovedTagEntry(ctx, entry); err != nil {
			return err
		}
	}
	return m.dropEntry(ctx, entry.Key)
}

func (r *core) dropEntry(ctx context.Context, key string) error {
	if err := r.metadata.Delete(ctx, key, storage.DeleteOptions{}); err != nil {
		return fmt.Errorf("drop %s: %w", key, err)
	}
	return nil
}

// CheckTrash reads an entry, and all that it keeps, as the collector does. One that it cannot read is
// ErrDamaged.
func (m *Maintenance) CheckTrash(ctx context.Context, o Object) error {
	entry, err := m.readTrashEntry(ctx, o.Namespace, o.Key())
	if err != nil {
		return err
	}
	return entry.parse()
}

// parse reads the content.
func (e *TrashEntry) parse() error {
	switch e.Kind {
	case KindManifest:
		stored, err := e.manifest()
		if err == nil {
			e.Names, err = stored.Names()
		}
		return err
	case KindTag:
		_, err := e.tagRecord()
		return err
	}
	return nil
}

// TrashSize is the size of what an entry that Trash gave can restore, in bytes: a blob; a manifest and what it names;
// the manifest that a tag stood for. It is zero if it is not known any more.
func (m *Maintenance) TrashSize(ctx context.Context, entry TrashEntry) (int64, error) {
	switch entry.Kind {
	case KindTag:
		record, err := entry.tagRecord()
		return record.Size, err
	case KindManifest:
		stored, err := entry.manifest()
		if err != nil {
			return 0, err
		}
		size := int64(len(stored.Content))
		for _, named := range append(entry.Names.Blobs(), entry.Names.Children()...) {
			size += named.Size
		}
		return size, nil
	}
	info, err := m.blobs.Stat(ctx, blobKey(entry.Digest))
	if errors.Is(err, storage.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("stat blob %s: %w", entry.Digest, err)
	}
	return info.Size, nil
}

// tagRecord is what a tag was when it was removed.
func (e *TrashEntry) tagRecord() (record tagRecord, err error) {
	record, err = parseTagRecord(e.Content)
	if err == nil && record.Digest != e.Digest {
		err = fmt.Errorf("want a tag of %s, got one of %s", e.Digest, record.Digest)
	}
	if err != nil {
		return tagRecord{}, damaged(e.Key, err)
	}
	return record, nil
}

// manifest is a manifest as it was when it was removed.
func (e *TrashEntry) manifest() (*Manifest, error) {
	stored, err := parseManifest(e.Namespace, e.Digest, storage.Value{Data: e.Content})
	if err != nil {
		return nil, damaged(e.Key, err)
	}
	stored.inTrash = e.Key
	return stored, nil
}

// trashIndex is what the trash of a namespace holds, without the content: for each manifest and blob the
// last removal, for each tag all of them, the last one first.
type trashIndex struct {
	manifests, blobs map[oci.Digest]TrashEntry
	tags             map[oci.Tag][]TrashEntry
}

// readTrash passes over entries that are damaged; Trash shows them.
func (m *Maintenance) readTrash(ctx context.Context, ns oci.Name) (trashIndex, error) {
	index := trashIndex{manifests: map[oci.Digest]TrashEntry{}, blobs: map[oci.Digest]TrashEntry{}, tags: map[oci.Tag][]TrashEntry{}}
	for entry, err := range m.trashOf(ctx, ns) {
		if errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return trashIndex{}, err
		}
		entry.Content = nil // read again when it is needed: a namespace may have lost a thousand manifests
		switch entry.Kind {
		case KindManifest:
			index.manifests[entry.Digest] = entry
		case KindBlob:
			index.blobs[entry.Digest] = entry
		case KindTag:
			index.tags[entry.Tag] = append(index.tags[entry.Tag], entry)
		}
	}
	for _, entries := range index.tags {
		slices.Reverse(entries)
	}
	return index, nil
}
