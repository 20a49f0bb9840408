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

// ErrNoRepair says that a repair would have to guess, so it was left undone.
var ErrNoRepair = errors.New("not repaired")

// RebuildReferrer writes the entry of a referrer that is live and has none. It is done by the same words
// as a push, and taken back if the manifest went meanwhile.
func (m *Maintenance) RebuildReferrer(ctx context.Context, ns oci.Name, d oci.Digest) error {
	stored, err := m.Manifest(ctx, ns, d)
	if err != nil {
		return err
	}
	manifest, err := stored.Parse()
	if err != nil || manifest.Subject == nil || stored.Stored.Condemned {
		return fmt.Errorf("rebuild referrer %s in %s: %w", d, ns, ErrNoRepair)
	}
	if err := m.putReferrer(ctx, ns, manifest, d, int64(len(stored.Content))); err != nil {
		return err
	}
	return m.deleteReferrerEntry(ctx, ns, manifest.Subject.Digest, d) // does nothing while the manifest is there
}

// DropReferrer removes the entry of a referrer that is gone. A push that brings it back writes it anew.
func (m *Maintenance) DropReferrer(ctx context.Context, ns oci.Name, subject, referrer oci.Digest) error {
	return m.deleteReferrerEntry(ctx, ns, subject, referrer)
}

// Enroll makes the catalog know a namespace that holds something.
func (m *Maintenance) Enroll(ctx context.Context, ns oci.Name) error { return m.enroll(ctx, ns) }

// Relink gives a namespace back the link to a blob that a manifest of it names. The word of a manifest
// alone opens nothing, S3: the namespace must have held the blob when the manifest was pushed, and no
// client may have taken it away since. What is not known for sure is ErrNoRepair.
//
// A delete may run at the same moment. It leaves word before it takes the link; so the link is proposed
// first, which no reader takes for one, and becomes one, by check-and-set, only if there is no such word.
// A delete that comes later than that look finds the link and takes it.
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
	taken, err := m.Exists(ctx, Object{Kind: KindMarker, Namespace: ns, Digest: blob})
	if err != nil {
		return err
	}
	if taken {
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
	return nil // what changed it meanwhile knew better: a push, or a delete
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

// WithdrawLink removes a link that a repair proposed and did not finish. A link stays.
func (m *Maintenance) WithdrawLink(ctx context.Context, ns oci.Name, d oci.Digest) error {
	key := linkKey(ns, d)
	proposal, err := m.proposed(ctx, key)
	if proposal == "" || errors.Is(err, storage.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = m.metadata.Delete(ctx, key, storage.DeleteOptions{IfUnchanged: proposal})
	}
	if err != nil && !errors.Is(err, storage.ErrChanged) {
		return fmt.Errorf("withdraw link %s in %s: %w", d, ns, err)
	}
	return nil
}

// Misplaced tells whether a link names another data key than the one under which the bytes of its blob lie by now:
// they went and came back, and nobody has needed the link since. Pulls that are redirected follow it.
func (m *Maintenance) Misplaced(ctx context.Context, ns oci.Name, d oci.Digest) (bool, error) {
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

// PutRight has a link name the data key under which the bytes of its blob lie.
func (m *Maintenance) PutRight(ctx context.Context, ns oci.Name, d oci.Digest) error {
	if err := m.holdBlob(ctx, ns, d); err != nil {
		return fmt.Errorf("put the link of %s in %s right: %w", d, ns, err)
	}
	return nil
}

// MoveAside takes an object that is no good out of the way, so that it reads as absent and the next push
// makes it anew. Nothing is lost: its bytes lie under _corrupt afterwards. Good says whether given bytes
// are good after all. The caller is the one collector of the stores.
//
// A pusher may heal it at this moment. So the object is condemned first, which is one rename of whatever
// is there; what was condemned is read once more, and comes back if it is good; then it is copied and
// destroyed, and Destroy touches nothing live. Killed anywhere, it is there, or there and aside.
func (m *Maintenance) MoveAside(ctx context.Context, o Object, good func(io.Reader) (bool, error)) (moved bool, err error) {
	store, key := m.storeOf(o), o.Key()
	for range attempts {
		moved, err := m.moveAside(ctx, store, key, good)
		switch {
		case err == nil:
			return moved, nil
		case errors.Is(err, errStirred):
		case errors.Is(err, storage.ErrNotExist):
			return false, nil // somebody else took it
		default:
			return false, fmt.Errorf("move %s aside: %w", key, err)
		}
	}
	return false, fmt.Errorf("move %s aside: %w", key, ErrDisturbed)
}

// errStirred says that an object was made anew, or revived, while it was moved aside.
var errStirred = errors.New("somebody made it live")

func (m *Maintenance) moveAside(ctx context.Context, store storage.Store, key string, good func(io.Reader) (bool, error)) (moved bool, err error) {
	if err := store.Condemn(ctx, key); err != nil {
		return false, err
	}
	fine, err := isGood(ctx, store, key, good)
	if err == nil && !fine {
		err = m.copyAside(ctx, store, key)
	}
	if err != nil || fine {
		_, back := store.Revive(ctx, key)
		return false, errors.Join(err, back)
	}
	err = store.Destroy(ctx, key, storage.DeleteOptions{})
	if errors.Is(err, storage.ErrNotExist) {
		return false, errStirred
	}
	return err == nil, err
}

func isGood(ctx context.Context, store storage.Store, key string, good func(io.Reader) (bool, error)) (bool, error) {
	content, _, err := store.Open(ctx, key)
	if err != nil {
		return false, err
	}
	defer content.Close()
	return good(content)
}

// copyAside copies by an upload session, so that blobs of any size take no memory. The session has no
// label: nobody else can go on with it, and it expires as all do.
func (m *Maintenance) copyAside(ctx context.Context, store storage.Store, key string) (err error) {
	content, info, err := store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer content.Close()
	if info.State == storage.Live {
		return errStirred
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

// MoveRecordAside is MoveAside for a tag, a referrer's entry or an entry of the trash that cannot be read. It
// changes by check-and-set, as they all do.
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

// Refetch gives a link its bytes back, from somewhere else. It goes the way of a push, so nothing is taken
// on trust: other bytes are ErrDigestMismatch. The namespace must hold a link to the blob already.
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
		err = errors.Join(err, to.CancelUpload(ctx, ns, upload.ID))
	}
	return err
}

// RefetchManifest stores a manifest anew that was moved aside, as a push without tags does. The media type
// may be empty.
func (m *Maintenance) RefetchManifest(ctx context.Context, ns oci.Name, d oci.Digest, mediaType string, from io.Reader) error {
	content, err := io.ReadAll(io.LimitReader(from, int64(m.config.MaxManifestSize)+1))
	if err != nil {
		return fmt.Errorf("fetch manifest %s of %s: %w", d, ns, err)
	}
	_, err = m.pushing(ns).PutManifest(ctx, ns, Push{Digest: d, ContentType: mediaType, Content: content})
	return err
}

// VerifyState is how far a verification came that was interrupted, nil if there is none. What it says is
// the verifier's.
func (m *Maintenance) VerifyState(ctx context.Context) ([]byte, error) {
	value, err := m.metadata.Get(ctx, verifyKey)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the last verification came: %w", err)
	}
	return value.Data, nil
}

// KeepVerifyState leaves word of how far a verification came.
func (m *Maintenance) KeepVerifyState(ctx context.Context, state []byte) error {
	if _, err := m.metadata.Put(ctx, verifyKey, state, storage.PutOptions{}); err != nil {
		return fmt.Errorf("keep how far the verification came: %w", err)
	}
	return nil
}

// DropVerifyState forgets it: the verification is through.
func (m *Maintenance) DropVerifyState(ctx context.Context) error {
	if err := m.metadata.Delete(ctx, verifyKey, storage.DeleteOptions{}); err != nil {
		return fmt.Errorf("forget how far the verification came: %w", err)
	}
	return nil
}

// ClaimVerify makes the caller the one verification of the stores.
func (m *Maintenance) ClaimVerify(ctx context.Context, note string) (held context.Context, release func(), err error) {
	return m.metadata.Claim(ctx, "verify", note)
}
