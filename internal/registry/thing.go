package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Thing is an object that can be condemned: a revision or a link of a namespace, its entry in the catalog,
// or the bytes of a blob, which are no namespace's.
type Thing struct {
	Kind      Kind       `json:"kind"`
	Namespace oci.Name   `json:"namespace,omitzero"`
	Digest    oci.Digest `json:"digest,omitzero"`
}

func (t Thing) String() string {
	switch t.Kind {
	case KindBlob:
		return fmt.Sprintf("blob %s", t.Digest)
	case KindNamespace:
		return fmt.Sprintf("namespace %s", t.Namespace)
	}
	return fmt.Sprintf("%s %s in %s", t.Kind, t.Digest, t.Namespace)
}

func (t Thing) key() string {
	switch t.Kind {
	case KindManifest:
		return revisionKey(t.Namespace, t.Digest)
	case KindLink:
		return linkKey(t.Namespace, t.Digest)
	case KindNamespace:
		return namespaceKey(t.Namespace)
	}
	return blobKey(t.Digest)
}

func (m *Maintenance) storeOf(k Kind) storage.Store {
	if k == KindBlob {
		return m.blobs
	}
	return m.metadata
}

// Condemned is a Thing that waits to be revived or destroyed.
type Condemned struct {
	Thing
	Size  int64 // bytes
	Since time.Time

	version storage.Version
}

// Condemned yields what is condemned in both stores, in no particular order.
func (m *Maintenance) Condemned(ctx context.Context) iter.Seq2[Condemned, error] {
	return func(yield func(Condemned, error) bool) {
		for _, store := range m.eachStore() {
			for condemnation, err := range store.Condemned(ctx, "") {
				if err != nil {
					yield(Condemned{}, fmt.Errorf("list what is condemned: %w", err))
					return
				}
				thing, err := parseThing(condemnation.Key)
				if !yield(Condemned{Thing: thing, Size: condemnation.Size, Since: condemnation.Since, version: condemnation.Version}, err) {
					return
				}
			}
		}
	}
}

func (m *Maintenance) eachStore() []storage.Store {
	if m.blobs == m.metadata {
		return []storage.Store{m.metadata}
	}
	return []storage.Store{m.metadata, m.blobs}
}

// Condemn makes a live thing condemned. What is gone is ErrGone.
func (m *Maintenance) Condemn(ctx context.Context, t Thing) error {
	if err := m.storeOf(t.Kind).Condemn(ctx, t.key()); err != nil {
		return fmt.Errorf("condemn %s: %w", t, err)
	}
	return nil
}

// Withdraw condemns the catalog's entry of a namespace that has no manifest any more. A push enrolls its
// namespace behind its manifest: so a look behind the condemnation finds that of a push which took the entry
// for live, and the entry comes back.
func (m *Maintenance) Withdraw(ctx context.Context, ns oci.Name) (withdrawn bool, err error) {
	entry := Thing{Kind: KindNamespace, Namespace: ns}
	if err := m.Condemn(ctx, entry); err != nil {
		return false, err
	}
	empty, err := m.hasNoManifest(ctx, ns)
	if err == nil && empty {
		return true, nil
	}
	return false, errors.Join(err, m.Revive(ctx, entry))
}

func (m *Maintenance) hasNoManifest(ctx context.Context, ns oci.Name) (bool, error) {
	for _, err := range m.metadata.Drafts(ctx, revisionsPrefix(ns)) {
		return false, err
	}
	for _, err := range m.Revisions(ctx, ns) {
		return false, err
	}
	return true, nil
}

// Revive makes a condemned thing live. What is gone is ErrGone.
func (m *Maintenance) Revive(ctx context.Context, t Thing) error {
	if _, err := m.storeOf(t.Kind).Revive(ctx, t.key()); err != nil {
		return fmt.Errorf("revive %s: %w", t, err)
	}
	return nil
}

// Destroy ends a condemned thing. What is gone, or was revived since it was listed, is ErrGone: a collector
// that has lost its claim without knowing cannot end what another one has judged anew.
func (m *Maintenance) Destroy(ctx context.Context, c Condemned) error {
	err := m.storeOf(c.Kind).Destroy(ctx, c.key(), storage.DeleteOptions{IfUnchanged: c.version})
	if errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("destroy %s: %w: it was condemned anew", c.Thing, ErrGone)
	}
	if err != nil {
		return fmt.Errorf("destroy %s: %w", c.Thing, err)
	}
	return nil
}

// ThingInfo describes a thing.
type ThingInfo struct {
	Size      int64 // bytes
	StoredAt  time.Time
	Condemned bool
}

// Stat describes a thing without reading it.
func (m *Maintenance) Stat(ctx context.Context, t Thing) (ThingInfo, error) {
	info, err := m.storeOf(t.Kind).Stat(ctx, t.key())
	if err != nil {
		return ThingInfo{}, fmt.Errorf("look at %s: %w", t, err)
	}
	return ThingInfo{Size: info.Size, StoredAt: info.ModTime, Condemned: info.State == storage.Condemned}, nil
}
