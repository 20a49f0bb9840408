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

// Marker records that a client deleted a blob from a namespace, so that no repair links it again. Where tags are immutable
// it also stands beside a manifest while that is deleted. Several deletes may need it at once, so it holds an id of each,
// and is changed by check-and-set.
type Marker struct {
	Namespace oci.Name
	Digest    oci.Digest
	// Undecided says that a delete of the manifest is under way, or was killed.
	Undecided bool

	version storage.Version
}

// markerIDs is the content of a marker, an id a line: of the last delete of the blob, which begins with blobID and stays,
// and of each delete of the manifest until that has ended. Earlier versions of sreg wrote one nonce for either.
type markerIDs []string

const blobID = "blob-"

func parseMarker(data []byte) markerIDs { return strings.Fields(string(data)) }

func (ids markerIDs) pack() []byte { return []byte(strings.Join(ids, "\n")) }

func (ids markerIDs) without(drop func(id string) bool) markerIDs {
	return slices.DeleteFunc(slices.Clone(ids), drop)
}

func isBlobID(id string) bool { return strings.HasPrefix(id, blobID) }

// undecided tells whether a delete of the manifest has not ended. What cannot be read may be that of one.
func (ids markerIDs) undecided() bool { return len(ids) == 0 || len(ids.without(isBlobID)) > 0 }

// Markers yields the digests that have a marker in a namespace.
func (m *Maintenance) Markers(ctx context.Context, ns oci.Name) iter.Seq2[oci.Digest, error] {
	return m.digestsBelow(ctx, removedPrefix(ns))
}

// Marker reads one. What is gone is ErrGone.
func (m *Maintenance) Marker(ctx context.Context, ns oci.Name, d oci.Digest) (Marker, error) {
	object, err := m.liveObject(ctx, removedKey(ns, d))
	if err != nil {
		return Marker{}, fmt.Errorf("read marker of %s in %s: %w", d, ns, err)
	}
	return Marker{Namespace: ns, Digest: d, Undecided: parseMarker(object.Data).undecided(), version: object.Version}, nil
}

// undecided tells whether a delete of a manifest has not ended, or was killed.
func (r *core) undecided(ctx context.Context, ns oci.Name, d oci.Digest) (bool, error) {
	object, err := r.metadata.Get(ctx, removedKey(ns, d))
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err == nil && parseMarker(object.Data).undecided(), err
}

// markDeletedBlob notes that a client deletes a blob. The id differs each time, so that nobody who read an earlier one
// can drop the marker.
func (r *core) markDeletedBlob(ctx context.Context, ns oci.Name, d oci.Digest) error {
	return r.changeMarker(ctx, ns, d, func(ids markerIDs) markerIDs {
		return append(ids.without(isBlobID), blobID+newNonce())
	})
}

// markUndecided notes that a manifest is being deleted, until unmark gets the id.
func (r *core) markUndecided(ctx context.Context, ns oci.Name, d oci.Digest) (id string, err error) {
	id = newNonce()
	return id, r.changeMarker(ctx, ns, d, func(ids markerIDs) markerIDs { return append(ids, id) })
}

func (r *core) unmark(ctx context.Context, ns oci.Name, d oci.Digest, id string) error {
	return r.changeMarker(ctx, ns, d, func(ids markerIDs) markerIDs {
		return ids.without(func(one string) bool { return one == id })
	})
}

// changeMarker changes the ids of a marker by check-and-set. Without any it is removed.
func (r *core) changeMarker(ctx context.Context, ns oci.Name, d oci.Digest, change func(markerIDs) markerIDs) error {
	for {
		err := r.tryMarker(ctx, removedKey(ns, d), change)
		if errors.Is(err, storage.ErrChanged) || errors.Is(err, storage.ErrExists) {
			continue // another delete was faster
		}
		if err != nil {
			return fmt.Errorf("change marker of %s in %s: %w", d, ns, err)
		}
		return nil
	}
}

func (r *core) tryMarker(ctx context.Context, key string, change func(markerIDs) markerIDs) error {
	object, err := r.liveObject(ctx, key)
	absent := errors.Is(err, storage.ErrNotExist)
	if err != nil && !absent {
		return err
	}
	next := change(parseMarker(object.Data))
	switch {
	case len(next) > 0:
		_, err = r.metadata.Put(ctx, key, next.pack(), storage.PutOptions{IfAbsent: absent, IfUnchanged: object.Version})
		return err
	case absent:
		return nil
	}
	return r.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: object.Version})
}

// DropMarker removes a marker if it is still what was read: a delete that came meanwhile has changed it. A delete of the
// manifest may stand still, and go on without its marker. So the manifest, if it is there, is changed before: such a
// delete finds that, and begins anew.
func (m *Maintenance) DropMarker(ctx context.Context, marker Marker) error {
	var err error
	if marker.Undecided {
		err = m.renewRevision(ctx, marker.Namespace, marker.Digest)
	}
	if err == nil {
		err = m.metadata.Delete(ctx, removedKey(marker.Namespace, marker.Digest), storage.DeleteOptions{IfUnchanged: marker.version})
	}
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("drop marker of %s in %s: %w", marker.Digest, marker.Namespace, err)
	}
	return nil
}

// renewRevision gives the object of a manifest another version. What is gone needs none.
func (r *core) renewRevision(ctx context.Context, ns oci.Name, d oci.Digest) error {
	key := revisionKey(ns, d)
	object, err := r.liveObject(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var record revisionRecord
	content, err := unpackRecord(object.Data, &record)
	if err != nil {
		return damaged(key, err)
	}
	record.Nonce = newNonce()
	packed, err := packRecord(record, content)
	if err == nil {
		_, err = r.metadata.Put(ctx, key, packed, storage.PutOptions{IfUnchanged: object.Version})
	}
	return err
}
