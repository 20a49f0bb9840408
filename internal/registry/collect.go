package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Tag reads a tag. What is gone is ErrGone, what cannot be read ErrDamaged.
func (m *Maintenance) Tag(ctx context.Context, ns oci.Name, tag oci.Tag) (StoredTag, error) {
	stored, err := m.readTag(ctx, ns, tag)
	if err != nil {
		return StoredTag{}, fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
	}
	return stored, nil
}

// ClaimedError says that another process holds a name, and who it is.
type ClaimedError = storage.ClaimedError

// ErrTagChanged says that a tag is not any more what it was when it was read.
var ErrTagChanged = storage.ErrChanged

// RemoveTag moves a tag into the trash if it is still what was read, also an immutable one.
// A tag that was pushed again meanwhile is ErrTagChanged.
func (m *Maintenance) RemoveTag(ctx context.Context, ns oci.Name, tag StoredTag, by, why string) error {
	if m.config.ReadOnly {
		return ErrReadOnly
	}
	return m.removeTag(ctx, ns, tag, removal{by: by, why: why})
}

// FinishRemoval does the last steps of a delete of a manifest again, for one that was killed before them: the tags that
// stand for the manifest and its referrer entry are removed, if the manifest is still gone.
func (m *Maintenance) FinishRemoval(ctx context.Context, ns oci.Name, d oci.Digest, subject oci.Digest, tags []oci.Tag, by string) error {
	for _, tag := range tags {
		if err := m.deleteTagOf(ctx, ns, tag, d, removal{by: by, why: "the manifest that it stood for was deleted"}); err != nil {
			return err
		}
	}
	if subject.IsZero() {
		return nil
	}
	return m.deleteReferrerEntry(ctx, ns, subject, d)
}

// IsImmutable tells whether a tag is immutable, and so keeps the manifest that it stands for from being deleted.
func (m *Maintenance) IsImmutable(ns oci.Name, tag oci.Tag) bool { return m.rules.immutable(ns, tag) }

// Removed is a manifest as the trash of a namespace has it: as it was when it was removed last. ErrGone says that it has
// none.
func (m *Maintenance) Removed(ctx context.Context, ns oci.Name, d oci.Digest) (*Manifest, error) {
	trash, err := m.readTrash(ctx, ns)
	if err != nil {
		return nil, err
	}
	return m.removed(ctx, trash, d)
}

func (m *Maintenance) removed(ctx context.Context, trash trashIndex, d oci.Digest) (*Manifest, error) {
	entry, ok := trash.manifests[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, storage.ErrNotExist)
	}
	entry, err := m.readTrashEntry(ctx, entry.Namespace, entry.Key)
	if err != nil {
		return nil, err
	}
	removed, err := entry.manifest()
	if err != nil {
		return nil, err
	}
	return removed, removed.verify()
}

// BringBack ends a delete of a manifest that was killed, as it would have ended itself where an immutable tag stands for
// the manifest: the manifest comes back from the trash. It says whether it did.
func (m *Maintenance) BringBack(ctx context.Context, ns oci.Name, d oci.Digest) (back bool, err error) {
	gone, err := m.absent(ctx, ns, d)
	if err != nil || !gone {
		return false, err
	}
	var kept *ImmutableTagError
	if err := m.refuseDelete(ctx, ns, d); !errors.As(err, &kept) {
		return false, err
	}
	removed, err := m.Removed(ctx, ns, d)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil // somebody else was faster
	}
	if err == nil {
		err = m.bringBack(ctx, removed)
	}
	if err != nil {
		return false, fmt.Errorf("bring back manifest %s in %s, which tag %s stands for: %w", d, ns, kept.Tag, err)
	}
	return true, m.dropEntry(ctx, removed.inTrash)
}

// Session is an upload that was not completed.
type Session struct {
	ID        string
	Namespace oci.Name // zero if its writer was killed before it wrote that down
	Size      int64    // bytes
	Expired   bool
}

// Sessions yields the uploads that are under way or were left. An error with an ID is about that one alone, and the
// others follow.
func (m *Maintenance) Sessions(ctx context.Context) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for session, err := range m.blobs.ListUploads(ctx) {
			if err != nil {
				yield(Session{}, fmt.Errorf("list uploads: %w", err))
				return
			}
			_, raw, err := m.blobs.StatUpload(ctx, session.ID)
			if errors.Is(err, storage.ErrNotExist) {
				continue // ended meanwhile
			}
			if err != nil {
				if !yield(Session{ID: session.ID}, fmt.Errorf("look at upload %s: %w", session.ID, err)) {
					return
				}
				continue
			}
			label, err := readLabel(raw)
			if err != nil {
				// Its writer was killed before it wrote the label, or is about to write it.
				label.Begun = session.Begun
			}
			if !yield(Session{ID: session.ID, Namespace: label.Namespace, Size: session.Size, Expired: m.expired(label)}, nil) {
				return
			}
		}
	}
}

// EndSession ends an upload that has expired. One that somebody writes to at this moment stays.
func (m *Maintenance) EndSession(ctx context.Context, s Session) error {
	session, err := m.blobs.OpenUpload(ctx, s.ID)
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrBusy) {
		return nil // it has ended, or is written to: the next round ends it
	}
	if err != nil {
		return fmt.Errorf("expire upload: %w", err)
	}
	return errors.Join(session.Cancel(ctx), session.Close())
}

// SweepTemporary removes what crashed writers left that nothing can name. It returns how many.
func (m *Maintenance) SweepTemporary(ctx context.Context) (removed int, err error) {
	for _, store := range m.eachStore() {
		n, err := store.Sweep(ctx, m.config.UploadTTL)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
	}
	return removed, nil
}
