package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// ErrNoRepair says that something was not repaired, because it is not known what is right.
var ErrNoRepair = errors.New("not repaired")

// RebuildReferrer writes the referrer entry of a live manifest that has none. It is written as by a push, and removed
// again if the manifest was deleted meanwhile.
func (m *Maintenance) RebuildReferrer(ctx context.Context, ns oci.Name, d oci.Digest) error {
	stored, err := m.Manifest(ctx, ns, d)
	if err != nil {
		return err
	}
	manifest, err := stored.Parse()
	if err != nil || manifest.Subject == nil || stored.Stored.Condemned {
		return fmt.Errorf("rebuild referrer %s in %s: %w", d, ns, ErrNoRepair)
	}
	if err := m.putReferrer(ctx, ns, manifest, d, stored.Content); err != nil {
		return err
	}
	return m.deleteReferrerEntry(ctx, ns, manifest.Subject.Digest, d) // does nothing while the manifest is there
}

// DropReferrer removes the entry of a referrer that is gone. A push that brings it back writes it anew.
func (m *Maintenance) DropReferrer(ctx context.Context, ns oci.Name, subject, referrer oci.Digest) error {
	return m.deleteReferrerEntry(ctx, ns, subject, referrer)
}

// AddToCatalog writes the catalog's entry of a namespace that holds something.
func (m *Maintenance) AddToCatalog(ctx context.Context, ns oci.Name) error {
	return m.addToCatalog(ctx, ns)
}

// Relink writes the link again by which a namespace held a blob that one of its manifests names. That a manifest names
// it is not enough (S3): the namespace must have held the blob when the manifest was pushed, and no client may have
// deleted it since. What is not known for sure is ErrNoRepair.
//
// A delete may run at the same time. It writes a marker before it removes the link. So the link is first proposed, which
// no reader takes for a link, and becomes one by check-and-set only if there is no marker. A delete that writes its
// marker after that look finds the link and removes it.
func (m *Maintenance) Relink(ctx context.Context, ns oci.Name, revision, blob oci.Digest) error {
	refuse := func(why string) error {
		return fmt.Errorf("link %s in %s: %s: %w", blob, ns, why, ErrNoRepair)
	}
	stored, err := m.Manifest(ctx, ns, revision)
	if err != nil {
		return err
	}
	manifest, err := stored.Parse()
	isIt := func(one oci.Descriptor) bool { return one.Digest == blob }
	switch {
	case err != nil || stored.verify() != nil:
		return refuse("the manifest is damaged")
	case !slices.ContainsFunc(manifest.Blobs(), isIt):
		return refuse("the manifest does not name it")
	case stored.Stored.Condemned:
		return refuse("the manifest is condemned")
	case stored.Missing == nil:
		return refuse("the record of the manifest does not tell whether the namespace held it")
	case slices.Contains(stored.Missing, blob):
		return refuse("the namespace never held it")
	}
	bytes, err := m.blobs.Revive(ctx, blobKey(blob))
	if err != nil {
		return fmt.Errorf("link %s in %s: %w", blob, ns, err)
	}
	key := linkKey(ns, blob)
	proposal, err := m.metadata.Put(ctx, key, []byte(newNonce()), storage.PutOptions{IfAbsent: true})
	if errors.Is(err, storage.ErrExists) {
		proposal, err = m.proposed(ctx, key)
		if err == nil && proposal == "" {
			return nil // somebody pushed it
		}
	}
	if err != nil {
		return fmt.Errorf("propose link %s in %s: %w", blob, ns, err)
	}
	deleted, err := m.Exists(ctx, Object{Kind: KindMarker, Namespace: ns, Digest: blob})
	if err != nil {
		return err
	}
	if deleted {
		err := m.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: proposal})
		if err != nil && !errors.Is(err, storage.ErrChanged) {
			return fmt.Errorf("take link %s in %s back: %w", blob, ns, err)
		}
		return refuse("a client deleted it")
	}
	data, err := packLink(bytes.DataKey)
	if err == nil {
		_, err = m.metadata.Put(ctx, key, data, storage.PutOptions{IfUnchanged: proposal})
	}
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("link %s in %s: %w", blob, ns, err)
	}
	return nil // ErrChanged: a push or a delete came meanwhile, and what it did stands
}

// proposed is the version of a link that a repair proposed and did not finish, empty if it is a link.
func (m *Maintenance) proposed(ctx context.Context, key string) (storage.Version, error) {
	object, err := m.liveObject(ctx, key)
	if err != nil {
		return "", err
	}
	l, err := parseLink(key, object)
	if err != nil || !l.proposed {
		return "", err
	}
	return object.Version, nil
}

// DropProposal removes a link that a repair proposed and did not finish. A real link stays.
func (m *Maintenance) DropProposal(ctx context.Context, ns oci.Name, d oci.Digest) error {
	key := linkKey(ns, d)
	proposal, err := m.proposed(ctx, key)
	if proposal == "" || errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = m.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: proposal})
	}
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("drop the proposed link %s in %s: %w", d, ns, err)
	}
	return nil
}

// LinkIsMisplaced tells whether the link to a blob names another data key than the blob has now: its bytes were destroyed
// and pushed again, and nobody has revived the link since. Pulls that are redirected follow it.
func (m *Maintenance) LinkIsMisplaced(ctx context.Context, ns oci.Name, d oci.Digest) (bool, error) {
	if !m.blobsAreService {
		return false, nil
	}
	l, err := m.linked(ctx, ns, d)
	if err == nil {
		var blob storage.Info
		if blob, err = m.blobs.Stat(ctx, blobKey(d)); err == nil {
			return l.dataKey != blob.DataKey, nil
		}
	}
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return false, fmt.Errorf("compare the data key of %s in %s: %w", d, ns, err)
}

// CorrectLink has the link to a blob name the data key that the blob has now.
func (m *Maintenance) CorrectLink(ctx context.Context, ns oci.Name, d oci.Digest) error {
	if err := m.reviveBlob(ctx, ns, d); err != nil {
		return fmt.Errorf("correct the link of %s in %s: %w", d, ns, err)
	}
	return nil
}

// MoveAside moves a damaged object below _corrupt, so that it reads as absent and the next push makes it anew. intact
// tells whether bytes are not damaged after all. The caller has claimed the stores as their collector.
//
// A push may replace the object at the same time. So the object is condemned first, which is one atomic change of
// whatever is there. What was condemned is read again, and revived if it is intact; else it is copied and destroyed,
// and Destroy touches nothing live. Killed at any step, the object is still there, with or without a copy below
// _corrupt.
func (m *Maintenance) MoveAside(ctx context.Context, o Object, intact func(io.Reader) (bool, error)) (moved bool, err error) {
	store, key := m.storeOf(o), o.Key()
	for range attempts {
		moved, err := m.moveAside(ctx, store, key, intact)
		switch {
		case err == nil:
			return moved, nil
		case errors.Is(err, errRevived):
		case errors.Is(err, storage.ErrNotExist):
			return false, nil // somebody else took it
		default:
			return false, fmt.Errorf("move %s aside: %w", key, err)
		}
	}
	return false, fmt.Errorf("move %s aside: %w", key, ErrDisturbed)
}

// errRevived says that an object was pushed anew, or revived, while it was moved aside.
var errRevived = errors.New("it was revived meanwhile")

func (m *Maintenance) moveAside(ctx context.Context, store storage.Store, key string, intact func(io.Reader) (bool, error)) (moved bool, err error) {
	if err := store.Condemn(ctx, key); err != nil {
		return false, err
	}
	fine, err := isIntact(ctx, store, key, intact)
	if err == nil && !fine {
		err = m.copyAside(ctx, store, key)
	}
	if err != nil || fine {
		_, back := store.Revive(ctx, key)
		return false, errors.Join(err, back)
	}
	err = store.Destroy(ctx, key, storage.DeleteOptions{})
	if errors.Is(err, storage.ErrNotExist) {
		return false, errRevived
	}
	return err == nil, err
}

func isIntact(ctx context.Context, store storage.Store, key string, intact func(io.Reader) (bool, error)) (bool, error) {
	content, _, err := store.Open(ctx, key)
	if err != nil {
		return false, err
	}
	defer content.Close()
	return intact(content)
}

// copyAside copies by an upload session, so that a blob of any size takes no memory. The session has no label: nobody
// else can continue it, and it expires as all do.
func (m *Maintenance) copyAside(ctx context.Context, store storage.Store, key string) (err error) {
	content, info, err := store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer content.Close()
	if info.State == storage.Live {
		return errRevived
	}
	id := newNonce()
	if err := store.CreateUpload(ctx, id, nil); err != nil {
		return err
	}
	session, err := store.OpenUpload(ctx, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if _, err := session.Append(ctx, content); err != nil {
		return errors.Join(err, session.Cancel(ctx))
	}
	_, err = session.Commit(ctx, corruptKey(key, m.now()))
	return err
}

// MoveRecordAside is MoveAside for a tag, a referrer entry or a trash entry that cannot be read. It is removed by
// check-and-set, as all changes of these are made.
func (m *Maintenance) MoveRecordAside(ctx context.Context, o Object) error {
	key := o.Key()
	object, err := m.liveObject(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = m.metadata.Put(ctx, corruptKey(key, m.now()), object.Data, storage.PutOptions{})
	}
	if err == nil {
		err = m.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: object.Version})
	}
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("move %s aside: %w", key, err)
	}
	return nil
}

// Refetch pushes the missing bytes of a blob again, from another source. Other bytes than those of the digest are
// ErrDigestMismatch. The namespace must hold a link to the blob already.
func (m *Maintenance) Refetch(ctx context.Context, ns oci.Name, d oci.Digest, from io.Reader) error {
	if _, err := m.linked(ctx, ns, d); err != nil {
		return m.blobError(ns, d, err)
	}
	to := m.pushing(ns)
	upload, err := to.StartUpload(ctx, ns, d.Algorithm(), "")
	if err != nil {
		return err
	}
	err = to.CompleteUpload(ctx, ns, upload.ID, Chunk{Body: from, Start: -1}, d)
	if err != nil && !errors.Is(err, ErrDigestMismatch) { // that one has ended the session
		err = errors.Join(err, to.CancelUpload(ctx, ns, upload.ID, nil))
	}
	return err
}

// RefetchManifest pushes a manifest again that was moved aside, without tags. The media type may be empty.
func (m *Maintenance) RefetchManifest(ctx context.Context, ns oci.Name, d oci.Digest, mediaType string, from io.Reader) error {
	content, err := io.ReadAll(io.LimitReader(from, int64(m.config.MaxManifestSize)+1))
	if err != nil {
		return fmt.Errorf("fetch manifest %s of %s: %w", d, ns, err)
	}
	_, err = m.pushing(ns).PutManifest(ctx, ns, Push{Digest: d, ContentType: mediaType, Content: content})
	return err
}
