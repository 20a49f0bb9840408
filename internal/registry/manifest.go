package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Manifest is a manifest that a namespace holds, or held, as it was pushed. It is shared: nobody changes it.
type Manifest struct {
	Namespace oci.Name
	Digest    oci.Digest
	MediaType string
	Content   []byte // byte for byte as it came
	PushedAt  time.Time
	By        string
	// RestoredAt is when it was restored, if that was its last push.
	RestoredAt time.Time
	// Missing is what it named and the namespace did not hold when it was pushed, nil if nobody knows.
	Missing []oci.Digest
	// Stored describes the object that has it, as it was when it was read.
	Stored ObjectInfo

	object  []byte       // as it is stored
	inTrash string       // the key of the entry that it is from, else empty
	seen    atomic.Int64 // when the store was last looked at, in nanoseconds since the epoch
}

// parseManifest reads the object that has a manifest.
func parseManifest(ns oci.Name, d oci.Digest, value storage.Value) (*Manifest, error) {
	var record revisionRecord
	content, err := unpackRecord(value.Data, &record)
	if err != nil {
		return nil, err
	}
	return &Manifest{
		Namespace: ns, Digest: d, MediaType: oneCopy(record.MediaType), Content: content, PushedAt: record.PushedAt, By: oneCopy(record.By),
		RestoredAt: record.RestoredAt, Missing: record.Missing, Stored: infoOf(value.Info), object: value.Data,
	}, nil
}

// Parse reads what the manifest says. What cannot be read is ErrDamaged: it could when it was pushed.
func (m *Manifest) Parse() (oci.Manifest, error) {
	parsed, err := oci.ParseManifest(m.MediaType, m.Content)
	if err != nil {
		return oci.Manifest{}, damaged(m.key(), err)
	}
	return parsed, nil
}

// key is where it lies.
func (m *Manifest) key() string { return cmp.Or(m.inTrash, revisionKey(m.Namespace, m.Digest)) }

// verify compares the content with the digest.
func (m *Manifest) verify() error {
	if got := oci.DigestOf(m.Digest.Algorithm(), m.Content); got != m.Digest {
		return damaged(m.key(), fmt.Errorf("want the manifest %s, got %s", m.Digest, got))
	}
	return nil
}

// GetManifest finds a manifest by tag or digest (spec: Pulling manifests). It costs one look for
// each object on the way while the caches hold them.
func (r *Registry) GetManifest(ctx context.Context, ns oci.Name, ref oci.Reference) (*Manifest, error) {
	if err := r.admit(ns); err != nil {
		return nil, err
	}
	m, err := r.find(ctx, ns, ref)
	if err != nil {
		return nil, r.manifestError(ns, ref, err)
	}
	return m, nil
}

// find reads a tag and then the revision that it stands for. S2: a tag whose revision is gone reads
// as absent.
func (r *Registry) find(ctx context.Context, ns oci.Name, ref oci.Reference) (*Manifest, error) {
	if ref.IsDigest() {
		return r.readRevision(ctx, pulling, ns, ref.Digest)
	}
	tag, err := r.pulledTag(ctx, ns, ref.Tag)
	if err != nil {
		return nil, err
	}
	kept, ok := r.state.revisions.Get(revisionID{ns, tag.Digest})
	if ok && kept.value.fresh(trustTag) && (kept.settled || remembered(r.core, kept)) {
		return kept.value, nil
	}
	return r.readRevision(ctx, pulling, ns, tag.Digest)
}

// trustTag is for how long a tag that is there proves that its revision is, so that a pull by tag costs one look. A
// delete of a revision removes its tags before it is acknowledged, and no collector destroys a revision that a tag
// names. The tags that a killed delete leaves read as absent after this time.
const trustTag = time.Second

// revision reads a manifest, from the cache while one look shows the same object.
func (r *core) revision(ctx context.Context, ns oci.Name, d oci.Digest) (*Manifest, error) {
	return r.readRevision(ctx, promising, ns, d)
}

func (r *core) readRevision(ctx context.Context, why purpose, ns oci.Name, d oci.Digest) (*Manifest, error) {
	parse := parseRevision
	if r.metadataIsService {
		parse = parseSentRevision
	}
	m, looked, err := read(ctx, r, why, r.state.revisions, revisionID{ns, d}, revisionID.key, parse)
	if err == nil && looked {
		m.seen.Store(time.Now().UnixNano())
	}
	return m, err
}

// fresh says whether the last look was less than an age ago. A clock that went back makes it no.
func (m *Manifest) fresh(age time.Duration) bool {
	since := time.Now().UnixNano() - m.seen.Load()
	return since >= 0 && since < int64(age)
}

func (id revisionID) key() string { return revisionKey(id.ns, id.digest) }

// manifestCost is about what a cached manifest takes beside its record and its key, in bytes.
const manifestCost = 600

func parseRevision(id revisionID, value storage.Value) (*Manifest, int64, error) {
	m, err := parseManifest(id.ns, id.digest, value)
	return m, manifestCost + int64(len(value.Data)), err
}

// parseSentRevision is parseRevision for what came over a network: it is what its digest says.
func parseSentRevision(id revisionID, value storage.Value) (*Manifest, int64, error) {
	m, cost, err := parseRevision(id, value)
	if err == nil {
		err = m.verify()
	}
	return m, cost, err
}

// DeleteManifest removes a revision and every tag that stands for it (spec: Deleting manifests).
// The order is that of the design: the revision, then, while it is still absent, its tags, then its
// referrer entry. A push of the same manifest that runs meanwhile wins. So does the push of an immutable tag.
func (r *Registry) DeleteManifest(ctx context.Context, ns oci.Name, d oci.Digest, by string) error {
	if err := r.admitWrite(ns); err != nil {
		return err
	}
	value, err := r.removeRevision(ctx, ns, d, by)
	for errors.Is(err, storage.ErrChanged) {
		value, err = r.removeRevision(ctx, ns, d, by)
	}
	if err != nil {
		return err
	}
	if err := r.deleteTagsOf(ctx, ns, d, removal{by: by}); err != nil {
		return err
	}
	return r.deleteReferrerOf(ctx, ns, d, value)
}

// removeRevision moves a revision into the trash, and gives what it was. storage.ErrChanged says that it was changed
// meanwhile, and stands.
func (r *Registry) removeRevision(ctx context.Context, ns oci.Name, d oci.Digest, by string) (storage.Value, error) {
	value, err := r.liveObject(ctx, revisionKey(ns, d))
	if err != nil {
		return value, r.manifestError(ns, oci.Reference{Digest: d}, err)
	}
	if err := r.refuseDelete(ctx, ns, d); err != nil {
		return value, err
	}
	entry, err := r.putTrashEntry(ctx, TrashEntry{Kind: KindManifest, Namespace: ns, Digest: d, By: by, Content: value.Data})
	if err != nil {
		return value, err
	}
	err = r.deleteRevision(ctx, ns, d, value, entry)
	if errors.Is(err, storage.ErrChanged) {
		return value, errors.Join(err, r.dropEntry(ctx, entry))
	}
	return value, err
}

// deleteRevision removes a revision, unless an immutable tag is found to stand for it when it is gone. Until that is
// decided a marker keeps others from replacing and removing such a tag, because its revision may come back.
func (r *Registry) deleteRevision(ctx context.Context, ns oci.Name, d oci.Digest, value storage.Value, entry string) error {
	if !r.rules.immutableTags(ns) {
		return r.deleteRevisionObject(ctx, ns, d, storage.DeleteOptions{})
	}
	ctx = context.WithoutCancel(ctx) // a client that leaves now must not leave it undecided
	id, err := r.markUndecided(ctx, ns, d)
	if err != nil {
		return err
	}
	// A collector that dropped the marker meanwhile has changed the revision.
	err = r.deleteRevisionObject(ctx, ns, d, storage.DeleteOptions{IfUnchanged: value.Version})
	if errors.Is(err, storage.ErrChanged) {
		var gone bool
		if gone, err = r.absent(ctx, ns, d); err == nil && !gone {
			return errors.Join(storage.ErrChanged, r.unmark(ctx, ns, d, id))
		}
	}
	if err == nil {
		err = r.keepImmutable(ctx, ns, d, value, entry)
	}
	var kept *ImmutableTagError
	if err != nil && !errors.As(err, &kept) {
		return err // it may be gone, so the marker stays
	}
	return errors.Join(r.unmark(ctx, ns, d, id), err)
}

func (r *core) deleteRevisionObject(ctx context.Context, ns oci.Name, d oci.Digest, opts storage.DeleteOptions) error {
	if err := r.metadata.Delete(ctx, revisionKey(ns, d), opts); err != nil {
		return fmt.Errorf("delete manifest %s in %s: %w", d, ns, err)
	}
	return nil
}

// goneForGood tells whether the revision that a tag stands for is gone, and does not come back for the tag's sake. An
// immutable tag of which that is not decided yet has to stay: see deleteRevision. The revision is looked at once more
// behind the marker, which goes when the revision has come back.
func (r *core) goneForGood(ctx context.Context, ns oci.Name, tag StoredTag) (bool, error) {
	gone, err := r.absent(ctx, ns, tag.Digest)
	if err != nil || !gone || !r.rules.immutable(ns, tag.Tag) {
		return gone, err
	}
	undecided, err := r.undecided(ctx, ns, tag.Digest)
	if err != nil || undecided {
		return false, err
	}
	return r.absent(ctx, ns, tag.Digest)
}

// keepImmutable brings a revision back that was removed just now, if an immutable tag stands for it: one that was pushed
// behind the look of refuseDelete. A push of such a tag that is acknowledged later makes the revision anew by itself.
func (r *Registry) keepImmutable(ctx context.Context, ns oci.Name, d oci.Digest, removed storage.Value, entry string) error {
	err := r.refuseDelete(ctx, ns, d)
	var kept *ImmutableTagError
	if !errors.As(err, &kept) {
		return err
	}
	stored, err := parseManifest(ns, d, removed)
	if err != nil {
		return damaged(revisionKey(ns, d), err)
	}
	if err := r.bringBack(ctx, stored); err != nil {
		return fmt.Errorf("bring back manifest %s in %s, which tag %s stands for: %w", d, ns, kept.Tag, err)
	}
	if err := r.dropEntry(ctx, entry); err != nil {
		return err
	}
	return kept
}

// bringBack pushes a revision as it was. What it named is revived as far as it is there: it may have lacked something.
func (r *core) bringBack(ctx context.Context, removed *Manifest) error {
	m, err := removed.Parse()
	if err != nil {
		return err
	}
	p := &push{Push: Push{Digest: removed.Digest, Content: removed.Content}, ns: removed.Namespace, manifest: m, removed: removed.object}
	p.revive = func(ctx context.Context) ([]oci.Digest, error) { return nil, r.reviveNamed(ctx, p.ns, m) }
	return tryAgain("push", p.ns, p.Digest, func() error { return r.putManifest(ctx, p) })
}

// absent says whether a revision is still gone. It reads the store, never a cache.
func (r *core) absent(ctx context.Context, ns oci.Name, d oci.Digest) (bool, error) {
	_, err := r.metadata.Stat(ctx, revisionKey(ns, d))
	if errors.Is(err, storage.ErrNotExist) {
		return true, nil
	}
	return false, err
}

func (r *core) manifestError(ns oci.Name, ref oci.Reference, err error) error {
	if errors.Is(err, storage.ErrNotExist) {
		return fmt.Errorf("%w: %s in %s", ErrManifestUnknown, ref, ns)
	}
	return fmt.Errorf("read manifest %s in %s: %w", ref, ns, err)
}
