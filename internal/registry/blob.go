package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Blob is a blob of a namespace, open for reading. The caller closes Content.
type Blob struct {
	Content  io.ReadSeekCloser // on a filesystem an *os.File; over a service it has Until(end int64), which bounds what is read from there
	Size     int64             // bytes
	StoredAt time.Time
	// URL is where a client can get the bytes instead, empty if it cannot. With a URL there is no Content, and nobody
	// has looked whether the bytes are there.
	URL string
}

// OpenBlob opens a blob for a pull (spec: Pulling blobs). It promises nothing beyond the bytes. Over a
// service those are compared with the digest while they are read to their end; others are ErrDamaged in
// place of the last of them.
func (r *Registry) OpenBlob(ctx context.Context, ns oci.Name, d oci.Digest) (Blob, error) {
	l, err := r.admitPull(ctx, ns, d)
	if err != nil {
		return Blob{}, err
	}
	return r.openLinked(ctx, ns, d, l)
}

// admitPull is the link by which a namespace holds a blob that is pulled.
func (r *Registry) admitPull(ctx context.Context, ns oci.Name, d oci.Digest) (link, error) {
	if err := r.admit(ns); err != nil {
		return link{}, err
	}
	l, err := r.pulledLink(ctx, ns, d)
	if err != nil {
		return link{}, r.blobError(ns, d, err)
	}
	return l, nil
}

// LocateBlob is OpenBlob for a client that can be sent on: where the namespace's blobs may be had from
// their store, the Blob has a URL for them. It opens the blob for redirect_ttl or until a time, if that is
// not zero and sooner, but for a few seconds at least.
func (r *Registry) LocateBlob(ctx context.Context, ns oci.Name, d oci.Digest, until time.Time) (Blob, error) {
	if !r.redirects(ns) {
		return r.OpenBlob(ctx, ns, d)
	}
	l, err := r.admitPull(ctx, ns, d)
	if err != nil {
		return Blob{}, err
	}
	if l.dataKey == "" {
		info, err := r.blobs.Stat(ctx, blobKey(d))
		if err != nil {
			return Blob{}, r.blobError(ns, d, err)
		}
		l.dataKey = info.DataKey
	}
	// What cannot be signed is sent by ourselves.
	if presigner, ok := storage.As[storage.Presigner](r.blobs); ok && l.dataKey != "" {
		opts := storage.PresignOptions{Expires: r.redirectFor(until), MediaType: "application/octet-stream"}
		if url, err := presigner.Presign(ctx, l.dataKey, opts); err == nil {
			return Blob{URL: url}, nil
		}
	}
	return r.openLinked(ctx, ns, d, l)
}

// openLinked opens a blob by the data key that its link names, or else by its own key.
func (r *Registry) openLinked(ctx context.Context, ns oci.Name, d oci.Digest, l link) (Blob, error) {
	var content io.ReadSeekCloser
	var info storage.Info
	err := storage.ErrNotExist
	if opener, ok := storage.As[storage.DataOpener](r.blobs); ok && l.dataKey != "" {
		content, info, err = opener.OpenData(ctx, l.dataKey)
	}
	// The link is a hint: the bytes may have gone and come back, or be in another kind of store by now.
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrKey) {
		content, info, err = r.blobs.Open(ctx, blobKey(d))
	}
	if err != nil {
		return Blob{}, r.blobError(ns, d, err)
	}
	if r.blobsAreService {
		content = newVerifying(content, d, info)
	}
	return Blob{Content: content, Size: info.Size, StoredAt: info.ModTime}, nil
}

// StatBlob describes a blob (spec: Checking if content exists in the registry). It is a promise: a
// client that hears that the blob is there will not push it, so what was condemned is revived.
func (r *Registry) StatBlob(ctx context.Context, ns oci.Name, d oci.Digest) (Blob, error) {
	if err := r.admit(ns); err != nil {
		return Blob{}, err
	}
	for range attempts {
		link, err := r.linked(ctx, ns, d)
		if err != nil {
			return Blob{}, r.blobError(ns, d, err)
		}
		info, err := r.blobs.Stat(ctx, blobKey(d))
		if err != nil {
			return Blob{}, r.blobError(ns, d, err)
		}
		// A read-only registry does not change the link.
		current := link.dataKey == info.DataKey || r.config.ReadOnly
		if link.state == storage.Live && info.State == storage.Live && current {
			return Blob{Size: info.Size, StoredAt: info.ModTime}, nil
		}
		if err := r.reviveBlob(ctx, ns, d); err != nil {
			return Blob{}, r.blobError(ns, d, err)
		}
	}
	return Blob{}, fmt.Errorf("stat blob %s in %s: %w", d, ns, ErrDisturbed)
}

// MountBlob gives a namespace the blob of another one (spec: Mounting a blob from another
// repository). ErrBlobUnknown says that from does not hold it; then the client uploads.
func (r *Registry) MountBlob(ctx context.Context, ns, from oci.Name, d oci.Digest) error {
	if err := r.admitWrite(ns); err != nil {
		return err
	}
	if r.admit(from) != nil {
		return fmt.Errorf("%w: %s in %s", ErrBlobUnknown, d, from) // what is hidden holds nothing
	}
	if _, err := r.linked(ctx, from, d); err != nil {
		return r.blobError(from, d, err)
	}
	return tryAgain("mount blob", ns, d, func() error {
		blob, err := r.blobs.Revive(ctx, blobKey(d))
		if err != nil {
			return r.blobError(from, d, err)
		}
		if err := r.link(ctx, ns, d, blob.DataKey); err != nil {
			return fmt.Errorf("mount blob %s in %s: %w", d, ns, err)
		}
		return r.reviveBlob(ctx, ns, d)
	})
}

// DeleteBlob removes a blob from a namespace (spec: Deleting blobs). The bytes stay for the other
// namespaces that hold them, and for the trash.
func (r *Registry) DeleteBlob(ctx context.Context, ns oci.Name, d oci.Digest, by string) error {
	if err := r.admitWrite(ns); err != nil {
		return err
	}
	if _, err := r.linked(ctx, ns, d); err != nil {
		return r.blobError(ns, d, err)
	}
	// The trash entry comes first: a crash between the two leaves an entry for something that is still there, which
	// does no harm.
	if _, err := r.putTrashEntry(ctx, TrashEntry{Kind: KindBlob, Namespace: ns, Digest: d, By: by}); err != nil {
		return err
	}
	// The marker comes before the link is removed: no repair may restore what a client deleted.
	if err := r.markDeletedBlob(ctx, ns, d); err != nil {
		return err
	}
	if err := r.metadata.Delete(ctx, linkKey(ns, d), storage.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete blob %s in %s: %w", d, ns, err)
	}
	return nil
}

// blobError says for which blob something failed. A missing link and missing bytes are the same to
// a client: S2.
func (r *core) blobError(ns oci.Name, d oci.Digest, err error) error {
	if errors.Is(err, storage.ErrNotExist) {
		return fmt.Errorf("%w: %s in %s", ErrBlobUnknown, d, ns)
	}
	return fmt.Errorf("read blob %s in %s: %w", d, ns, err)
}
