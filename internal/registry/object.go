package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// ObjectKind is what an object of the stores is, by its key.
type ObjectKind string

// The kinds. ObjectOwn are the few that the registry keeps for itself.
const (
	ObjectBlob      ObjectKind = "blob"
	ObjectLink      ObjectKind = "link"
	ObjectRemoved   ObjectKind = "removed"
	ObjectRevision  ObjectKind = "manifest"
	ObjectTag       ObjectKind = "tag"
	ObjectReferrer  ObjectKind = "referrer"
	ObjectNamespace ObjectKind = "namespace"
	ObjectPulls     ObjectKind = "pulls"
	ObjectDeleted   ObjectKind = "deleted"
	ObjectCorrupt   ObjectKind = "corrupt"
	ObjectOwn       ObjectKind = "own"
	ObjectStrange   ObjectKind = "strange"
)

// Object is one object of the stores. Kind tells which of the other fields are set; Key always is where
// the object comes from Objects.
type Object struct {
	Kind      ObjectKind
	Key       string
	Namespace oci.Name
	Digest    oci.Digest // of a referrer: the one that refers
	Subject   oci.Digest // what a referrer refers to
	Tag       oci.Tag
}

// Part is a part of the stores that is walked on its own.
type Part string

// The parts. PartMetadata is all that is no blob. Condemned objects are in PartCondemned alone.
const (
	PartBlobs     Part = "blobs"
	PartMetadata  Part = "metadata"
	PartCondemned Part = "condemned"
)

// ObjectOf says what an object is by its key.
func ObjectOf(key string) Object { return parseKey(key) }

// ObjectOfBlob is the object that has the bytes of a blob.
func ObjectOfBlob(d oci.Digest) Object { return Object{Kind: ObjectBlob, Key: blobKey(d), Digest: d} }

// Objects yields the objects of a part whose keys come behind a key, in the order of the keys; those of
// PartCondemned in no order and from the begin. It ends after the first error.
func (m *Maintenance) Objects(ctx context.Context, part Part, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		switch part {
		case PartBlobs:
			m.below(ctx, m.blobs, blobsPrefix, after, yield)
		case PartMetadata:
			m.besideBlobs(ctx, after, yield)
		case PartCondemned:
			for _, store := range m.eachStore() {
				if !condemned(ctx, store, yield) {
					return
				}
			}
		}
	}
}

// ObjectsOf yields what a namespace and those below it hold, in the order of the keys.
func (m *Maintenance) ObjectsOf(ctx context.Context, ns oci.Name, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		m.below(ctx, m.metadata, ns.String(), after, yield)
	}
}

// below yields the live objects of one folder at the top.
func (m *Maintenance) below(ctx context.Context, store storage.Store, folder, after string, yield func(Object, error) bool) bool {
	if rest, inside := strings.CutPrefix(after, folder+"/"); inside {
		after = rest
	} else if after > folder {
		return true
	} else {
		after = ""
	}
	for entry, err := range store.List(ctx, folder, storage.ListOptions{After: after, Deep: true}) {
		if err != nil {
			yield(Object{}, fmt.Errorf("list %s: %w", folder, err))
			return false
		}
		if !yield(parseKey(folder+"/"+entry.Name), nil) {
			return false
		}
	}
	return true
}

// besideBlobs yields all that does not lie among the blobs, folder by folder.
func (m *Maintenance) besideBlobs(ctx context.Context, after string, yield func(Object, error) bool) {
	for entry, err := range m.metadata.List(ctx, "", storage.ListOptions{}) {
		if err != nil {
			yield(Object{}, fmt.Errorf("list the metadata store: %w", err))
			return
		}
		folder, isFolder := strings.CutSuffix(entry.Name, "/")
		switch {
		case folder == blobsPrefix && m.blobs == m.metadata:
		case isFolder:
			if !m.below(ctx, m.metadata, folder, after, yield) {
				return
			}
		case folder > after && !yield(parseKey(folder), nil):
			return
		}
	}
}

func condemned(ctx context.Context, store storage.Store, yield func(Object, error) bool) bool {
	for condemnation, err := range store.Condemned(ctx, "") {
		if err != nil {
			yield(Object{}, fmt.Errorf("list what is condemned: %w", err))
			return false
		}
		if !yield(parseKey(condemnation.Key), nil) {
			return false
		}
	}
	return true
}

// storeOfObject is the store that an object lies in.
func (m *Maintenance) storeOfObject(o Object) storage.Store {
	if o.Kind == ObjectBlob {
		return m.blobs
	}
	return m.metadata
}

// Exists tells whether there is such an object, live or condemned. A link that is only proposed does not
// count. It reads the store, never a cache.
func (m *Maintenance) Exists(ctx context.Context, o Object) (bool, error) {
	var l link
	var err error
	if o.Kind == ObjectLink {
		l, err = m.readLink(ctx, o.key())
	} else {
		_, err = m.storeOfObject(o).Stat(ctx, o.key())
	}
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", o.key(), err)
	}
	return !l.proposed, nil
}

// OpenObject opens the bytes of an object as they lie, and says how many they are. The caller closes
// them.
func (m *Maintenance) OpenObject(ctx context.Context, o Object) (io.ReadCloser, int64, error) {
	content, info, err := m.storeOfObject(o).Open(ctx, o.key())
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", o.key(), err)
	}
	return content, info.Size, nil
}

// Stored is a manifest as it lies in the store, with what its record says.
type Stored struct {
	MediaType string
	Content   []byte
	PushedAt  time.Time
	By        string
	Missing   []oci.Digest // what the namespace did not hold when it was pushed
	Condemned bool
}

// ReadRevision reads a manifest past the caches. A record that cannot be read is ErrDamaged.
func (m *Maintenance) ReadRevision(ctx context.Context, ns oci.Name, d oci.Digest) (Stored, error) {
	stored, _, err := m.storedRevision(ctx, ns, d)
	return stored, err
}

func (m *Maintenance) storedRevision(ctx context.Context, ns oci.Name, d oci.Digest) (Stored, revisionRecord, error) {
	key := revisionKey(ns, d)
	object, err := m.metadata.Get(ctx, key)
	if err != nil {
		return Stored{}, revisionRecord{}, fmt.Errorf("read %s: %w", key, err)
	}
	var record revisionRecord
	content, err := unpackRecord(object.Data, &record)
	if err != nil {
		return Stored{}, record, damaged(key, err)
	}
	return Stored{
		MediaType: record.MediaType, Content: content, PushedAt: record.PushedAt, By: record.By,
		Missing: record.Missing, Condemned: object.State == storage.Condemned,
	}, record, nil
}

// ReadTag reads what a tag stands for, past the caches. A record that cannot be read is ErrDamaged.
func (m *Maintenance) ReadTag(ctx context.Context, ns oci.Name, tag oci.Tag) (oci.Digest, error) {
	key := tagKey(ns, tag)
	object, err := m.metadata.Get(ctx, key)
	if err != nil {
		return oci.Digest{}, fmt.Errorf("read %s: %w", key, err)
	}
	var record tagRecord
	if err := json.Unmarshal(object.Data, &record); err != nil {
		return oci.Digest{}, damaged(key, err)
	}
	if record.Digest.IsZero() {
		return oci.Digest{}, damaged(key, errors.New("it names no manifest"))
	}
	return record.Digest, nil
}

// CheckReferrer reads the entry of a referrer. One that cannot be read, or that describes something else,
// is ErrDamaged.
func (m *Maintenance) CheckReferrer(ctx context.Context, ns oci.Name, subject, referrer oci.Digest) error {
	key := referrerKey(ns, subject, referrer)
	entry, err := m.referrerEntry(ctx, key)
	if err == nil && entry.Digest != referrer {
		return damaged(key, fmt.Errorf("it describes %s", entry.Digest))
	}
	return err
}

// CheckDeleted reads an entry for undo as the collector does. One that it cannot read is ErrDamaged.
func (m *Maintenance) CheckDeleted(ctx context.Context, o Object) error {
	entry, err := m.readKept(ctx, o.Namespace, o.Key)
	if err != nil {
		return err
	}
	_, err = forCollector(entry)
	return err
}
