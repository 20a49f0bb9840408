package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

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

// push is a manifest on its way into a namespace.
type push struct {
	Push     // with its digest
	ns       oci.Name
	manifest oci.Manifest
	// stored are its tags as they were before the push; nil is one that was not read, because it may change.
	stored []*StoredTag
	// removed is the revision as it was, if it is to be that again; nil makes a new record.
	removed []byte
	// restored says that it is one of a restore.
	restored bool
	// revive makes live what the manifest names, and returns what of it the namespace does not hold.
	revive func(context.Context) (missing []oci.Digest, err error)
}

func (p *push) tagValue(at time.Time) TagValue {
	return TagValue{Digest: p.Digest, MediaType: p.manifest.MediaType, Size: int64(len(p.Content)), PushedAt: at, By: p.By}
}

// PutManifest stores a manifest and its tags (spec: Pushing manifests). Nothing is changed when it
// returns an error of the oci package, a MissingError or an ImmutableTagError.
func (r *Registry) PutManifest(ctx context.Context, ns oci.Name, request Push) (Pushed, error) {
	if err := r.admitWrite(ns); err != nil {
		return Pushed{}, err
	}
	p, err := r.parse(ns, request)
	if err != nil {
		return Pushed{}, err
	}
	err = tryAgain("put manifest", ns, p.Digest, func() error {
		if err := r.readTags(ctx, p); err != nil {
			return err
		}
		return r.putManifest(ctx, p)
	})
	if err != nil {
		return Pushed{}, err
	}
	return p.pushed(), nil
}

// attempts is how often a push begins anew when what it names is removed meanwhile. Each time takes a
// collector that had condemned it before and destroyed it meanwhile.
const attempts = 5

// tryAgain begins anew while what is needed is removed meanwhile, which try says by storage.ErrNotExist.
func tryAgain(what string, ns oci.Name, d oci.Digest, try func() error) error {
	for range attempts {
		if err := try(); !errors.Is(err, storage.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%s %s in %s: %w", what, d, ns, ErrDisturbed)
}

func (p *push) pushed() Pushed {
	if p.manifest.Subject == nil {
		return Pushed{Digest: p.Digest}
	}
	return Pushed{Digest: p.Digest, Subject: p.manifest.Subject.Digest}
}

// parse reads the manifest once, and compares it with the digest that the client named.
func (r *Registry) parse(ns oci.Name, request Push) (*push, error) {
	if limit := int64(r.config.MaxManifestSize); int64(len(request.Content)) > limit {
		return nil, fmt.Errorf("%w: manifest of %d bytes, at most %d are taken", ErrTooLarge, len(request.Content), limit)
	}
	algorithm := oci.SHA256
	if !request.Digest.IsZero() {
		algorithm = request.Digest.Algorithm()
	}
	d := oci.DigestOf(algorithm, request.Content)
	if !request.Digest.IsZero() && d != request.Digest {
		return nil, fmt.Errorf("%w: got %s, the request named %s", ErrDigestMismatch, d, request.Digest)
	}
	request.Digest = d
	m, err := oci.ParsePushed(request.ContentType, request.Content)
	if err != nil {
		return nil, err
	}
	if oci.Active(m.MediaType) {
		return nil, fmt.Errorf("%w: browsers run or show content of type %s: send Content-Type %s or %s, or a type of your own that ends in +json",
			oci.ErrManifestUnsupported, m.MediaType, oci.MediaTypeImageManifest, oci.MediaTypeImageIndex)
	}
	p := &push{Push: request, ns: ns, manifest: m}
	p.revive = func(ctx context.Context) ([]oci.Digest, error) { return r.reviveReferences(ctx, ns, m) }
	return p, nil
}

// readTags reads the immutable tags of a push, and refuses before anything is written what putTag would refuse
// behind it.
func (r *Registry) readTags(ctx context.Context, p *push) error {
	p.stored = make([]*StoredTag, len(p.Tags))
	for i, tag := range p.Tags {
		if !canBeStored(tag) {
			return fmt.Errorf("%w: %s: has too many capital letters to be stored", oci.ErrTagInvalid, tag)
		}
		if !r.rules.immutable(p.ns, tag) {
			continue
		}
		stored, err := r.readTag(ctx, p.ns, tag)
		if err != nil && !errors.Is(err, storage.ErrNotExist) {
			return fmt.Errorf("read tag %s in %s: %w", tag, p.ns, err)
		}
		if err := r.refuseChange(ctx, p.ns, stored, p.Digest); err != nil {
			return err
		}
		p.stored[i] = &stored
	}
	return nil
}

// putManifest is one try of the promise rule. storage.ErrNotExist says that something which the manifest needs went
// away meanwhile, and that another try may succeed.
func (r *core) putManifest(ctx context.Context, p *push) error {
	// 1. Make live and durable what the manifest names, unless step 3 alone does.
	var missing []oci.Digest
	if !r.looksOnce() {
		var err error
		if missing, err = p.revive(ctx); err != nil {
			return err
		}
	}
	// 2. Write it, so that only the collector sees it.
	content, err := r.pack(ctx, p, missing)
	if err != nil {
		return err
	}
	key := revisionKey(p.ns, p.Digest)
	draft, err := r.metadata.Prepare(ctx, key, content)
	if err != nil {
		return fmt.Errorf("put manifest %s in %s: %w", p.Digest, p.ns, err)
	}
	// 3. Look, once more, at what it names: a collector that began before step 2 did not know of it.
	if _, err := p.revive(ctx); err != nil {
		return errors.Join(err, draft.Discard(ctx))
	}
	// Others find what is durable. The entry comes behind the draft: a collector that condemns it looks for drafts once more.
	if err := r.addToCatalog(ctx, p.ns); err != nil {
		return errors.Join(err, draft.Discard(ctx))
	}
	// What the manifest names is live, so from here on others may see it.
	if err := draft.Publish(ctx); err != nil {
		return fmt.Errorf("publish manifest %s in %s: %w", p.Digest, p.ns, err)
	}
	if err := r.announce(ctx, p); err != nil {
		return err
	}
	// 4. A delete that ran meanwhile took the revision; then the tags may be gone, too. A collector that has condemned it
	// has condemned what it names as well.
	info, err := r.metadata.Revive(ctx, key)
	if err == nil && info.State == storage.Condemned {
		_, err = p.revive(ctx)
	}
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

// pack is the object of a revision.
func (r *core) pack(ctx context.Context, p *push, missing []oci.Digest) ([]byte, error) {
	if p.removed != nil {
		return p.removed, nil
	}
	record, err := r.newRecord(ctx, p)
	if err != nil {
		return nil, err
	}
	record.Missing = append([]oci.Digest{}, missing...)
	return packRecord(record, p.Content)
}

// newRecord is what stands before the manifest. When all tags of the push are immutable and stand for
// it already nothing changes, and the record stays as it was.
func (r *core) newRecord(ctx context.Context, p *push) (revisionRecord, error) {
	record := revisionRecord{MediaType: p.manifest.MediaType, PushedAt: r.now().UTC(), By: p.By}
	if p.restored {
		record.RestoredAt = record.PushedAt
	}
	changes := func(tag *StoredTag) bool { return tag == nil || tag.Digest != p.Digest }
	if len(p.stored) == 0 || slices.ContainsFunc(p.stored, changes) {
		return record, nil
	}
	now, err := r.revision(ctx, p.ns, p.Digest)
	if errors.Is(err, storage.ErrNotExist) {
		return record, nil
	}
	if err != nil {
		return record, fmt.Errorf("read manifest %s in %s: %w", p.Digest, p.ns, err)
	}
	record.PushedAt, record.By, record.RestoredAt = now.PushedAt, now.By, now.RestoredAt
	return record, nil
}

// announce writes what names a revision, after the revision: S2.
func (r *core) announce(ctx context.Context, p *push) error {
	if p.manifest.Subject != nil {
		if err := r.putReferrer(ctx, p.ns, p.manifest, p.Digest, p.Content); err != nil {
			return err
		}
	}
	value := p.tagValue(r.now().UTC())
	for i, tag := range p.Tags {
		if err := r.putTag(ctx, p.ns, tag, p.stored[i], value); err != nil {
			return err
		}
	}
	return nil
}

// reviveReferences makes live what a manifest names. What the namespace does not hold is a
// MissingError, or, where missing references are allowed, what it returns.
func (r *core) reviveReferences(ctx context.Context, ns oci.Name, m oci.Manifest) (missing []oci.Digest, err error) {
	blobs, children := m.Blobs(), m.Children()
	gone := make([]bool, len(blobs)+len(children))
	looks, ctx := errgroup.WithContext(ctx) // ends with the last look, or the first error
	looks.SetLimit(r.looksAtOnce())
	look := func(i int, d oci.Digest, revive func(context.Context, oci.Name, oci.Digest) error) {
		looks.Go(func() error {
			err := ctx.Err()
			if err == nil {
				err = revive(ctx, ns, d)
			}
			if gone[i] = errors.Is(err, storage.ErrNotExist); gone[i] || err == nil {
				return nil
			}
			return fmt.Errorf("revive %s in %s: %w", d, ns, err)
		})
	}
	for i, blob := range blobs {
		look(i, blob.Digest, r.reviveLinked)
	}
	for i, child := range children {
		look(len(blobs)+i, child.Digest, r.reviveChild)
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

// reviveLinked is reviveBlob for a blob that the namespace may not hold: then its bytes, which may be
// another namespace's, are left alone.
func (r *core) reviveLinked(ctx context.Context, ns oci.Name, d oci.Digest) error {
	l, err := r.linked(ctx, ns, d)
	if err != nil {
		return err
	}
	if !r.metadataIsService || l.state != storage.Live {
		return r.reviveBlob(ctx, ns, d)
	}
	// A live link is durable there, and need not be looked at again behind the bytes: nothing of it changes.
	blob, err := r.blobs.Revive(ctx, blobKey(d))
	if err != nil || blob.DataKey == l.dataKey {
		return err
	}
	return r.reviveLink(ctx, ns, d, blob.DataKey)
}

// reviveChild makes live what an index names: the manifest that has the digest in the namespace, else the blob. BuildKit
// lists the blobs of its cache in an index.
func (r *core) reviveChild(ctx context.Context, ns oci.Name, d oci.Digest) error {
	err := r.reviveRevision(ctx, ns, d)
	if errors.Is(err, storage.ErrNotExist) {
		err = r.reviveLinked(ctx, ns, d)
	}
	return err
}

// reviveRevision makes a child of an index live. What a live revision names is live or about to be; what a condemned one
// names is revived first, down to the end of it. Each revision is visited once, because it is live afterwards, and a
// digest makes no circles.
//
// A collector may condemn the revision, and then what it names, between the Stat and the Revive. Then the revision is live
// before what it names is revived. No collector destroys that meanwhile: it lists what is condemned before its mark. If
// its mark finds the revision live, it holds what that names. If the revision is on the list, it is destroyed before
// what it names, and as it is not condemned any more, nothing else of its namespace is (TestARevisionThatLivesAgainKeepsWhatItNames).
// If it is neither, another collector has condemned it beside the mark (listCondemnedAgain in internal/gc/mark.go).
func (r *core) reviveRevision(ctx context.Context, ns oci.Name, d oci.Digest) error {
	key := revisionKey(ns, d)
	info, err := r.metadata.Stat(ctx, key)
	if err == nil && info.State == storage.Condemned {
		err = r.reviveContent(ctx, ns, d)
	}
	if err != nil {
		return err
	}
	before, err := r.metadata.Revive(ctx, key)
	if err == nil && before.State == storage.Condemned && info.State == storage.Live {
		err = r.reviveContent(ctx, ns, d)
	}
	return err
}

// reviveContent makes live what a revision names, as far as it is there.
func (r *core) reviveContent(ctx context.Context, ns oci.Name, d oci.Digest) error {
	stored, err := r.revision(ctx, ns, d)
	if err != nil {
		return err
	}
	m, err := stored.Parse()
	if err != nil {
		return err
	}
	return r.reviveNamed(ctx, ns, m)
}

// reviveNamed makes live what a manifest names, as far as it is there.
func (r *core) reviveNamed(ctx context.Context, ns oci.Name, m oci.Manifest) error {
	for _, blob := range m.Blobs() {
		if err := r.reviveLinked(ctx, ns, blob.Digest); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return err
		}
	}
	for _, child := range m.Children() {
		if err := r.reviveChild(ctx, ns, child.Digest); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return err
		}
	}
	return nil
}
