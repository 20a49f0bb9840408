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

// ErrGone says that something is neither live nor condemned.
var ErrGone = storage.ErrNotExist

// Condemned is an Object that waits to be revived or destroyed.
type Condemned struct {
	Object
	Size  int64 // bytes
	Since time.Time

	version storage.Version
}

// Condemned yields what is condemned in both stores, in no particular order. A kind that no collector condemns is
// ErrDamaged.
func (m *Maintenance) Condemned(ctx context.Context) iter.Seq2[Condemned, error] {
	return func(yield func(Condemned, error) bool) {
		for one, err := range m.condemnations(ctx) {
			if err != nil {
				yield(Condemned{}, err)
				return
			}
			o := ParseKey(one.Key)
			if !o.Kind.condemnable() {
				err = damaged(one.Key, errStrangeName)
			}
			if !yield(Condemned{Object: o, Size: one.Size, Since: one.Since, version: one.Version}, err) {
				return
			}
		}
	}
}

func (m *Maintenance) condemnations(ctx context.Context) iter.Seq2[storage.Condemnation, error] {
	return func(yield func(storage.Condemnation, error) bool) {
		for _, store := range m.eachStore() {
			for one, err := range store.Condemned(ctx, "") {
				if err != nil {
					yield(storage.Condemnation{}, fmt.Errorf("list what is condemned: %w", err))
					return
				}
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

// Condemn makes a live object condemned. What is gone is ErrGone.
func (m *Maintenance) Condemn(ctx context.Context, o Object) error {
	if err := m.storeOf(o).Condemn(ctx, o.Key()); err != nil {
		return fmt.Errorf("condemn %s: %w", o, err)
	}
	return nil
}

// CondemnNamespace condemns the catalog's entry of a namespace that has no manifest any more. A push writes the entry
// after its draft. So a look after the condemnation finds the draft, or the manifest, of a push that found the entry live,
// and then the entry is revived.
func (m *Maintenance) CondemnNamespace(ctx context.Context, ns oci.Name) (condemned bool, err error) {
	entry := Object{Kind: KindNamespace, Namespace: ns}
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

// Revive makes a condemned object live. What is gone is ErrGone.
func (m *Maintenance) Revive(ctx context.Context, o Object) error {
	if _, err := m.storeOf(o).Revive(ctx, o.Key()); err != nil {
		return fmt.Errorf("revive %s: %w", o, err)
	}
	return nil
}

// Destroy ends a condemned object. What is gone, or was revived since it was listed, is ErrGone: a collector
// that has lost its claim without knowing cannot end what another one has condemned anew.
func (m *Maintenance) Destroy(ctx context.Context, c Condemned) error {
	err := m.storeOf(c.Object).Destroy(ctx, c.Key(), storage.DeleteOptions{IfUnchanged: c.version})
	if errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("destroy %s: %w: it was condemned anew", c.Object, ErrGone)
	}
	if err != nil {
		return fmt.Errorf("destroy %s: %w", c.Object, err)
	}
	return nil
}
