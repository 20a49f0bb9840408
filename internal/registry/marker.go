package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Marker records that a client deleted a blob from a namespace, so that no repair links it again. Where tags are immutable
// it also stands beside a manifest while that is deleted.
type Marker struct {
	Namespace oci.Name
	Digest    oci.Digest

	version storage.Version
}

// Markers yields the digests of the blobs that clients deleted from a namespace.
func (m *Maintenance) Markers(ctx context.Context, ns oci.Name) iter.Seq2[oci.Digest, error] {
	return m.digestsBelow(ctx, removedPrefix(ns))
}

// Marker reads one. What is gone is ErrGone.
func (m *Maintenance) Marker(ctx context.Context, ns oci.Name, d oci.Digest) (Marker, error) {
	object, err := m.liveObject(ctx, removedKey(ns, d))
	if err != nil {
		return Marker{}, fmt.Errorf("read marker of %s in %s: %w", d, ns, err)
	}
	return Marker{Namespace: ns, Digest: d, version: object.Version}, nil
}

// putMarker writes one. Its content differs each time, so that nobody who read an earlier one can remove it.
func (r *core) putMarker(ctx context.Context, ns oci.Name, d oci.Digest) (Marker, error) {
	version, err := r.metadata.Put(ctx, removedKey(ns, d), []byte(newNonce()), storage.PutOptions{})
	if err != nil {
		return Marker{}, fmt.Errorf("put marker of %s in %s: %w", d, ns, err)
	}
	return Marker{Namespace: ns, Digest: d, version: version}, nil
}

// DropMarker removes a marker if it is still what was read: a delete that came meanwhile wrote another one.
func (m *Maintenance) DropMarker(ctx context.Context, marker Marker) error {
	return m.dropMarker(ctx, marker)
}

func (r *core) dropMarker(ctx context.Context, marker Marker) error {
	err := r.metadata.Delete(ctx, removedKey(marker.Namespace, marker.Digest), storage.DeleteOptions{IfUnchanged: marker.version})
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("drop marker of %s in %s: %w", marker.Digest, marker.Namespace, err)
	}
	return nil
}
