package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

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
	// Missing is what it named and the namespace did not hold when it was pushed, nil if nobody knows.
	Missing []oci.Digest
	// Stored describes the object that has it, as it was when it was read.
	Stored ObjectInfo

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
		Namespace: ns, Digest: d, MediaType: record.MediaType, Content: content, PushedAt: record.PushedAt, By: record.By,
		Missing: record.Missing, Stored: infoOf(value.Info),
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

// Push is what a client asks to store: a manifest, and the tags that shall stand for it.
type Push struct {
	// Digest is the one that the client named, zero if it named none.
	Digest oci.Digest
	// Tags are those of the path and of the query.
	Tags        []oci.Tag
	ContentType string
	Content     []byte
	By          string
}

// Pushed says what a push stored.
type Pushed struct {
	Digest oci.Digest
	// Subject is the digest of the manifest that this one refers to, or zero.
	Subject oci.Digest
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

// trustTag is for how long a tag that is there vouches for its revision, so that a pull by tag costs
// one look. It can: whoever removes a revision removes its tags before that is acknowledged, and no
// collector takes a revision that a tag names. What a killed delete leaves is absent after this time.
const trustTag = time.Second

// PutManifest stores a manifest and its tags (spec: Pushing manifests). Nothing is changed when it
// returns an error of the oci package, a MissingError or an ImmutableTagError.
func (r *Registry) PutManifest(ctx context.Context, ns oci.Name, push Push) (Pushed, error) {
	if err := r.admitWrite(ns); err != nil {
		return Pushed{}, err
	}
	m, d, err := r.parse(push)
	if err != nil {
		return Pushed{}, err
	}
	for _, tag := range push.Tags {
		if err := r.mayTag(ctx, ns, tag, d); err != nil {
			return Pushed{}, err
		}
	}
	pushed := Pushed{Digest: d}
	if m.Subject != nil {
		pushed.Subject = m.Subject.Digest
	}
	hold := func() ([]oci.Digest, error) { return r.holdReferences(ctx, ns, m) }
	for range attempts {
		err := r.putManifest(ctx, ns, push, m, d, hold)
		if !errors.Is(err, storage.ErrNotExist) {
			return pushed, err
		}
	}
	return Pushed{}, fmt.Errorf("put manifest %s in %s: %w", d, ns, ErrDisturbed)
}

// parse reads the manifest once, and compares it with the digest that the client named.
func (r *Registry) parse(push Push) (oci.Manifest, oci.Digest, error) {
	if limit := int64(r.config.MaxManifestSize); int64(len(push.Content)) > limit {
		return oci.Manifest{}, oci.Digest{}, fmt.Errorf("%w: manifest of %d bytes, at most %d are taken", ErrTooLarge, len(push.Content), limit)
	}
	algorithm := oci.SHA256
	if !push.Digest.IsZero() {
		algorithm = push.Digest.Algorithm()
	}
	d := oci.DigestOf(algorithm, push.Content)
	if !push.Digest.IsZero() && d != push.Digest {
		return oci.Manifest{}, d, fmt.Errorf("%w: got %s, the request named %s", ErrDigestMismatch, d, push.Digest)
	}
	m, err := oci.ParseManifest(push.ContentType, push.Content)
	return m, d, err
}

// putManifest is one try of the promise rule, with hold as its looks at what the manifest names.
// storage.ErrNotExist says that something which it rests on went away meanwhile, and that another try
// may succeed.
func (r *core) putManifest(ctx context.Context, ns oci.Name, push Push, m oci.Manifest, d oci.Digest, hold func() (missing []oci.Digest, err error)) error {
	// 1. Make live and durable what the manifest names, unless step 3 alone does.
	var missing []oci.Digest
	if !r.looksOnce() {
		var err error
		if missing, err = hold(); err != nil {
			return err
		}
	}
	// 2. Write it, so that only the collector sees it.
	record, err := r.newRecord(ctx, ns, push, m, d)
	if err != nil {
		return err
	}
	record.Missing = append([]oci.Digest{}, missing...)
	content, err := packRecord(record, push.Content)
	if err != nil {
		return err
	}
	draft, err := r.metadata.Prepare(ctx, revisionKey(ns, d), content)
	if err != nil {
		return fmt.Errorf("put manifest %s in %s: %w", d, ns, err)
	}
	// 3. Look, once more, at what it names: a collector that began before step 2 did not know of it.
	if _, err := hold(); err != nil {
		return errors.Join(err, draft.Discard(ctx))
	}
	// From here on nobody builds on content that is gone.
	if err := draft.Publish(ctx); err != nil {
		return fmt.Errorf("publish manifest %s in %s: %w", d, ns, err)
	}
	if err := r.announce(ctx, ns, push, m, d); err != nil {
		return err
	}
	// 4. A delete that ran meanwhile took the revision; then the tags may be gone, too.
	_, err = r.metadata.Revive(ctx, revisionKey(ns, d))
	return err
}

// looksOnce tells whether one pass of looks, behind the draft, makes a manifest's promise: over a service each
// look costs a request. It is the second pass that makes it in any case: what a collector whose mark missed
// the draft has on its list was condemned before the draft, and Destroy ends it only if it is condemned as it
// was listed. So what a look behind the draft finds live, or revives, is not ended by that list, whatever
// condemns it afterwards; and the mark of a later run sees the draft or the revision. The first pass only
// spares the draft of a push that is refused, and finds what is missing before the record says so: where
// missing references are allowed it stays.
func (r *core) looksOnce() bool {
	return r.metadataIsService && r.config.MissingReferences != "allow"
}

// newRecord is what stands before the manifest. When all tags of the push are immutable and stand for
// it already nothing changes, and the record stays as it was.
func (r *core) newRecord(ctx context.Context, ns oci.Name, push Push, m oci.Manifest, d oci.Digest) (revisionRecord, error) {
	record := revisionRecord{MediaType: m.MediaType, PushedAt: r.now().UTC(), By: push.By}
	for _, tag := range push.Tags {
		if !r.rules.immutable(ns, tag) {
			return record, nil
		}
		now, err := r.tag(ctx, ns, tag)
		if errors.Is(err, storage.ErrNotExist) || now.Digest != d {
			return record, nil
		}
		if err != nil {
			return record, fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
		}
	}
	stored, err := r.revision(ctx, ns, d)
	if len(push.Tags) == 0 || errors.Is(err, storage.ErrNotExist) {
		return record, nil
	}
	if err != nil {
		return record, fmt.Errorf("read manifest %s in %s: %w", d, ns, err)
	}
	record.PushedAt, record.By = stored.PushedAt, stored.By
	return record, nil
}

// announce writes what leads to a revision, after the revision: S2.
func (r *core) announce(ctx context.Context, ns oci.Name, push Push, m oci.Manifest, d oci.Digest) error {
	if err := r.enroll(ctx, ns); err != nil {
		return err
	}
	if m.Subject != nil {
		if err := r.putReferrer(ctx, ns, m, d, int64(len(push.Content))); err != nil {
			return err
		}
	}
	value := TagValue{Digest: d, MediaType: m.MediaType, Size: int64(len(push.Content)), PushedAt: r.now().UTC(), By: push.By}
	for _, tag := range push.Tags {
		if err := r.putTag(ctx, ns, tag, value); err != nil {
			return err
		}
	}
	return nil
}

// holdReferences makes live what a manifest names. What the namespace does not hold is a
// MissingError, or, where missing references are allowed, what it returns.
func (r *core) holdReferences(ctx context.Context, ns oci.Name, m oci.Manifest) (missing []oci.Digest, err error) {
	blobs, children := m.Blobs(), m.Children()
	gone := make([]bool, len(blobs)+len(children))
	looks, ctx := errgroup.WithContext(ctx) // ends with the last look, or the first error
	looks.SetLimit(r.looksAtOnce())
	look := func(i int, d oci.Digest, hold func(context.Context, oci.Name, oci.Digest) error) {
		looks.Go(func() error {
			err := ctx.Err()
			if err == nil {
				err = hold(ctx, ns, d)
			}
			if gone[i] = errors.Is(err, storage.ErrNotExist); gone[i] || err == nil {
				return nil
			}
			return fmt.Errorf("hold %s in %s: %w", d, ns, err)
		})
	}
	for i, blob := range blobs {
		look(i, blob.Digest, r.holdLinked)
	}
	for i, child := range children {
		look(len(blobs)+i, child.Digest, r.holdRevision)
	}
	if err := looks.Wait(); err != nil {
		return nil, err
	}
	for i, one := range slices.Concat(blobs, children) {
		if gone[i] {
			missing = append(missing, one.Digest)
		}
	}
	if len(missing) > 0 && r.config.MissingReferences != "allow" {
		return nil, &MissingError{Digests: missing}
	}
	return missing, nil
}

// looksAtOnce is how many looks at what one manifest names are under way: over a network each is a wait.
func (r *core) looksAtOnce() int {
	if r.metadataIsService || r.blobsAreService {
		return 8
	}
	return 1
}

// holdLinked is holdBlob for a blob that the namespace may not hold: then its bytes, which may be
// another namespace's, are left alone.
func (r *core) holdLinked(ctx context.Context, ns oci.Name, d oci.Digest) error {
	l, err := r.linked(ctx, ns, d)
	if err != nil {
		return err
	}
	if !r.metadataIsService || l.state != storage.Live {
		return r.holdBlob(ctx, ns, d)
	}
	// A live link is durable there, and need not be looked at again behind the bytes: nothing of it changes.
	blob, err := r.blobs.Revive(ctx, blobKey(d))
	if err != nil || blob.DataKey == l.dataKey {
		return err
	}
	return r.holdLink(ctx, ns, d, blob.DataKey)
}

// holdRevision makes a child of an index live. The content of a live revision is live or about to
// be; that of a condemned one is revived first, going down to the end: each is visited once, for behind
// that it is live, and a digest makes no circles.
func (r *core) holdRevision(ctx context.Context, ns oci.Name, d oci.Digest) error {
	key := revisionKey(ns, d)
	info, err := r.metadata.Stat(ctx, key)
	if err != nil {
		return err
	}
	if info.State == storage.Condemned {
		stored, err := r.revision(ctx, ns, d)
		if err != nil {
			return err
		}
		m, err := stored.Parse()
		if err != nil {
			return err
		}
		for _, blob := range m.Blobs() {
			if err := r.holdLinked(ctx, ns, blob.Digest); err != nil && !errors.Is(err, storage.ErrNotExist) {
				return err
			}
		}
		for _, child := range m.Children() {
			if err := r.holdRevision(ctx, ns, child.Digest); err != nil && !errors.Is(err, storage.ErrNotExist) {
				return err
			}
		}
	}
	_, err = r.metadata.Revive(ctx, key)
	return err
}

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

func parseRevision(id revisionID, value storage.Value) (*Manifest, int64, error) {
	m, err := parseManifest(id.ns, id.digest, value)
	return m, int64(len(value.Data)), err
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
// referrer entry. A push of the same manifest that runs meanwhile wins.
func (r *Registry) DeleteManifest(ctx context.Context, ns oci.Name, d oci.Digest, by string) error {
	if err := r.admitWrite(ns); err != nil {
		return err
	}
	key := revisionKey(ns, d)
	value, err := r.metadata.Get(ctx, key)
	if err != nil {
		return r.manifestError(ns, oci.Reference{Digest: d}, err)
	}
	if err := r.refuseDelete(ctx, ns, d); err != nil {
		return err
	}
	if err := r.putTrashEntry(ctx, TrashEntry{Kind: KindManifest, Namespace: ns, Digest: d, By: by, Content: value.Data}); err != nil {
		return err
	}
	if err := r.metadata.Delete(ctx, key, storage.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete manifest %s in %s: %w", d, ns, err)
	}
	if err := r.deleteTagsOf(ctx, ns, d, removal{by: by}); err != nil {
		return err
	}
	return r.deleteReferrerOf(ctx, ns, d, value)
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
