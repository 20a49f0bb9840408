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

// Kind is what an object of the stores is, as reports call it.
type Kind string

// The kinds. Manifests, tags and blobs can be removed and restored; manifests, links, the bytes of blobs and
// the catalog's entries of namespaces are condemned.
const (
	KindManifest  Kind = "manifest"
	KindTag       Kind = "tag"
	KindLink      Kind = "link"
	KindBlob      Kind = "blob"
	KindNamespace Kind = "namespace" // its entry in the catalog
	KindReferrer  Kind = "referrer"
	KindTagEntry  Kind = "tagged"
	KindMarker    Kind = "removed" // see Marker
	KindPulls     Kind = "pulls"
	KindTrash     Kind = "deleted" // see TrashEntry
	KindCorrupt   Kind = "corrupt" // see MoveAside
	KindOwn       Kind = "own"     // the format, the key of tokens, and reports
	KindUnknown   Kind = "strange" // not of this layout
)

// Object is one object of the stores, live or condemned. Kind tells which of the other fields are set.
type Object struct {
	Kind      Kind       `json:"kind"`
	Namespace oci.Name   `json:"namespace,omitzero"`
	Digest    oci.Digest `json:"digest,omitzero"` // of a referrer: the manifest that refers to Subject
	Subject   oci.Digest `json:"subject,omitzero"`
	Tag       oci.Tag    `json:"tag,omitzero"`

	other string // the key, where the fields above do not tell it
}

func (o Object) String() string {
	switch o.Kind {
	case KindBlob:
		return fmt.Sprintf("blob %s", o.Digest)
	case KindNamespace:
		return fmt.Sprintf("namespace %s", o.Namespace)
	case KindManifest, KindLink:
		return fmt.Sprintf("%s %s in %s", o.Kind, o.Digest, o.Namespace)
	}
	return o.Key()
}

// condemnable says whether a collector may condemn objects of a kind.
func (k Kind) condemnable() bool {
	return k == KindManifest || k == KindLink || k == KindBlob || k == KindNamespace
}

// storeOf is the store that an object lies in.
func (m *Maintenance) storeOf(o Object) storage.Store {
	if o.Kind == KindBlob {
		return m.blobs
	}
	return m.metadata
}

func (m *Maintenance) eachStore() []storage.Store {
	if m.blobs == m.metadata {
		return []storage.Store{m.metadata}
	}
	return []storage.Store{m.metadata, m.blobs}
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	Size      int64 // bytes
	StoredAt  time.Time
	Condemned bool
}

func infoOf(info storage.Info) ObjectInfo {
	return ObjectInfo{Size: info.Size, StoredAt: info.ModTime, Condemned: info.State == storage.Condemned}
}

// Stat describes an object without reading it. What is gone is ErrGone.
func (m *Maintenance) Stat(ctx context.Context, o Object) (ObjectInfo, error) {
	info, err := m.storeOf(o).Stat(ctx, o.Key())
	if err != nil {
		return ObjectInfo{}, fmt.Errorf("look at %s: %w", o, err)
	}
	return infoOf(info), nil
}

// Exists tells whether there is such an object, live or condemned. A link that is only proposed does not
// count. It reads the store, never a cache.
func (m *Maintenance) Exists(ctx context.Context, o Object) (bool, error) {
	var l link
	var err error
	if o.Kind == KindLink {
		l, err = m.readLink(ctx, o.Key())
	} else {
		_, err = m.storeOf(o).Stat(ctx, o.Key())
	}
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", o.Key(), err)
	}
	return !l.proposed, nil
}

// OpenObject opens the bytes of an object as they are stored, and says how many they are. The caller closes
// them.
func (m *Maintenance) OpenObject(ctx context.Context, o Object) (io.ReadCloser, int64, error) {
	content, info, err := m.storeOf(o).Open(ctx, o.Key())
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", o.Key(), err)
	}
	return content, info.Size, nil
}
