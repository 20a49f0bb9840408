package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// What a collector sees of the stores and may do to them. It reads past the caches: they are for what
// clients ask, and would hold nothing else after one run.

// ErrDamaged says that a record of the stores cannot be read, or that a name in them has no place in the
// layout. The error names the key.
var ErrDamaged = errDamaged

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

func (r *Registry) storeOf(k Kind) storage.Store {
	if k == KindBlob {
		return r.blobs
	}
	return r.metadata
}

// Condemned is a Thing that waits to be revived or destroyed.
type Condemned struct {
	Thing
	Size  int64 // bytes
	Since time.Time
}

// Condemned yields what is condemned in both stores, in no particular order.
func (r *Registry) Condemned(ctx context.Context) iter.Seq2[Condemned, error] {
	return func(yield func(Condemned, error) bool) {
		for _, store := range r.eachStore() {
			for departed, err := range store.Condemned(ctx, "") {
				if err != nil {
					yield(Condemned{}, fmt.Errorf("list what is condemned: %w", err))
					return
				}
				thing, err := parseThing(departed.Key)
				if !yield(Condemned{Thing: thing, Size: departed.Size, Since: departed.Since}, err) {
					return
				}
			}
		}
	}
}

func (r *Registry) eachStore() []storage.Store {
	if r.blobs == r.metadata {
		return []storage.Store{r.metadata}
	}
	return []storage.Store{r.metadata, r.blobs}
}

// Condemn makes a live thing condemned. What is gone is ErrGone.
func (r *Registry) Condemn(ctx context.Context, t Thing) error {
	if err := r.storeOf(t.Kind).Condemn(ctx, t.key()); err != nil {
		return fmt.Errorf("condemn %s: %w", t, err)
	}
	return nil
}

// Withdraw condemns the catalog's entry of a namespace that has no manifest any more. A push enrolls its
// namespace behind its manifest: so a look behind the condemnation finds that of a push which took the entry
// for live, and the entry comes back.
func (r *Registry) Withdraw(ctx context.Context, ns oci.Name) (withdrawn bool, err error) {
	entry := Thing{Kind: KindNamespace, Namespace: ns}
	if err := r.Condemn(ctx, entry); err != nil {
		return false, err
	}
	empty, err := r.hasNoManifest(ctx, ns)
	if err == nil && empty {
		return true, nil
	}
	return false, errors.Join(err, r.Revive(ctx, entry))
}

func (r *Registry) hasNoManifest(ctx context.Context, ns oci.Name) (bool, error) {
	for _, err := range r.metadata.Drafts(ctx, revisionsPrefix(ns)) {
		return false, err
	}
	for _, err := range r.Revisions(ctx, ns) {
		return false, err
	}
	return true, nil
}

// Revive makes a condemned thing live. What is gone is ErrGone.
func (r *Registry) Revive(ctx context.Context, t Thing) error {
	if _, err := r.storeOf(t.Kind).Revive(ctx, t.key()); err != nil {
		return fmt.Errorf("revive %s: %w", t, err)
	}
	return nil
}

// Destroy ends a condemned thing. What is gone, or live again, is ErrGone.
func (r *Registry) Destroy(ctx context.Context, t Thing) error {
	if err := r.storeOf(t.Kind).Destroy(ctx, t.key()); err != nil {
		return fmt.Errorf("destroy %s: %w", t, err)
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
func (r *Registry) Stat(ctx context.Context, t Thing) (ThingInfo, error) {
	info, err := r.storeOf(t.Kind).Stat(ctx, t.key())
	if err != nil {
		return ThingInfo{}, fmt.Errorf("look at %s: %w", t, err)
	}
	return ThingInfo{Size: info.Size, StoredAt: info.ModTime, Condemned: info.State == storage.Condemned}, nil
}

// Image is a tag with the manifest that it stands for, or a manifest that no tag stands for: what rules of
// retention judge.
type Image struct {
	Tag          oci.Tag // zero: a manifest that has none
	Digest       oci.Digest
	PushedAt     time.Time
	LastPulledAt time.Time // zero: never
	Size         int64     // bytes of the manifest and of all that it names
	MediaType    string
	Platforms    []string // of an index, such as linux/amd64
	Annotations  map[string]string
}

// Revision is a manifest as a namespace holds it.
type Revision struct {
	Digest   oci.Digest
	PushedAt time.Time
	By       string
	Size     int64 // bytes of the manifest
	// StoredSize is that of the object which has it, in bytes.
	StoredSize int64
	StoredAt   time.Time // when it was written last
	// Manifest is what it says. One of a type that sreg does not read names, as layers and as children, each
	// digest that it mentions.
	Manifest oci.Manifest
	// Condemned says that it waits to be revived or destroyed.
	Condemned bool
}

// Revision reads a manifest that a namespace holds. What is gone is ErrGone, what cannot be
// read or parsed ErrDamaged.
func (r *Registry) Revision(ctx context.Context, ns oci.Name, d oci.Digest) (Revision, error) {
	key := revisionKey(ns, d)
	value, err := r.metadata.Get(ctx, key)
	if err != nil {
		return Revision{}, fmt.Errorf("read manifest %s in %s: %w", d, ns, err)
	}
	return parseWholeRevision(key, d, value)
}

func parseWholeRevision(key string, d oci.Digest, value storage.Value) (Revision, error) {
	var record revisionRecord
	content, err := unpackRecord(value.Data, &record)
	if err != nil {
		return Revision{}, damaged(key, err)
	}
	// One flipped bit still reads well and names another layer, and the right one would go.
	if got := oci.DigestOf(d.Algorithm(), content); got != d {
		return Revision{}, damaged(key, fmt.Errorf("want the manifest %s, got %s", d, got))
	}
	m, err := oci.ParseManifest(record.MediaType, content)
	if err != nil {
		return Revision{}, damaged(key, err)
	}
	if m.Opaque() {
		m.Layers = mentioned(m, content)
		m.Manifests = m.Layers
	}
	return Revision{
		Digest: d, PushedAt: record.PushedAt, By: record.By, Size: int64(len(content)), StoredSize: value.Size,
		StoredAt: value.ModTime, Condemned: value.State == storage.Condemned, Manifest: m,
	}, nil
}

// digestText is what reads like a digest.
var digestText = regexp.MustCompile(`sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`)

// mentioned are the digests that stand anywhere in a manifest of a type that sreg does not read: any of them
// may be a blob or a manifest which it names. Its subject is none of them: a referrer does not keep that.
func mentioned(m oci.Manifest, content []byte) (all []oci.Descriptor) {
	for _, text := range digestText.FindAll(content, -1) {
		d, err := oci.ParseDigest(string(text))
		if err != nil || m.Subject != nil && d == m.Subject.Digest {
			continue
		}
		all = append(all, oci.Descriptor{Digest: d})
	}
	return all
}

// Pending is a manifest whose push is under way.
type Pending struct {
	Namespace oci.Name
	Revision
}

// Pending yields the manifests that were prepared and are not published yet.
func (r *Registry) Pending(ctx context.Context) iter.Seq2[Pending, error] {
	return func(yield func(Pending, error) bool) {
		for draft, err := range r.metadata.Drafts(ctx, "") {
			if err != nil {
				yield(Pending{}, fmt.Errorf("list what is pending: %w", err))
				return
			}
			pending, err := parseDraft(draft)
			if !yield(pending, err) {
				return
			}
		}
	}
}

func parseDraft(draft storage.Draft) (Pending, error) {
	thing, err := parseThing(draft.Key)
	if err == nil && thing.Kind != KindManifest {
		err = damaged(draft.Key, errNoPlace)
	}
	if err != nil {
		return Pending{}, err
	}
	revision, err := parseWholeRevision(draft.Key, thing.Digest, storage.Value{Data: draft.Data})
	return Pending{Namespace: thing.Namespace, Revision: revision}, err
}

// StoredTag is a tag as it is stored. It can be removed as long as it is still that.
type StoredTag struct {
	Tag      oci.Tag
	Digest   oci.Digest
	PushedAt time.Time
	By       string

	version storage.Version
	record  tagRecord
}

// Tag reads a tag. What is gone is ErrGone, what cannot be read ErrDamaged.
func (r *Registry) Tag(ctx context.Context, ns oci.Name, tag oci.Tag) (StoredTag, error) {
	version, record, err := r.tagObject(ctx, ns, tag)
	if err != nil {
		return StoredTag{}, fmt.Errorf("read tag %s in %s: %w", tag, ns, err)
	}
	return StoredTag{Tag: tag, Digest: record.Digest, PushedAt: record.PushedAt, By: record.By, version: version, record: record}, nil
}

// ErrGone says that something is neither live nor condemned.
var ErrGone = storage.ErrNotExist

// ClaimedError says that another process holds a name, and who it is.
type ClaimedError = storage.ClaimedError

// ErrTagChanged says that a tag is not any more what it was when it was read.
var ErrTagChanged = storage.ErrChanged

// RemoveTag takes a tag away if it is still what was read, also an immutable one, and keeps it for undo.
// A tag that was pushed again meanwhile is ErrTagChanged.
func (r *Registry) RemoveTag(ctx context.Context, ns oci.Name, tag StoredTag, by, why string) error {
	if r.config.ReadOnly {
		return ErrReadOnly
	}
	return r.removeTag(ctx, ns, tag.Tag, tag.record, tag.version, removal{by: by, why: why})
}

// FinishRemoval does what a delete of a manifest does behind it, once more, for one that was killed there:
// the tags that stand for it and its entry among the referrers of its subject go, while it is gone.
func (r *Registry) FinishRemoval(ctx context.Context, ns oci.Name, d oci.Digest, subject oci.Digest, tags []oci.Tag, by string) error {
	for _, tag := range tags {
		if err := r.deleteTagOf(ctx, ns, tag, d, removal{by: by, why: "the manifest that it stood for was deleted"}); err != nil {
			return err
		}
	}
	if subject.IsZero() {
		return nil
	}
	return r.deleteReferrerEntry(ctx, ns, subject, d)
}

// Namespaces yields every namespace that has a tag, a revision or a link, or had one, in lexical order of
// its parts.
func (r *Registry) Namespaces(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		r.walkNamespaces(ctx, "", yield)
	}
}

// walkNamespaces visits those below a prefix, and says whether to go on.
func (r *Registry) walkNamespaces(ctx context.Context, prefix string, yield func(oci.Name, error) bool) bool {
	var below []string
	own := false
	for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{}) {
		if err != nil {
			return yield(oci.Name{}, fmt.Errorf("list namespaces: %w", err)) && false
		}
		component, folder := strings.CutSuffix(entry.Name, "/")
		switch {
		case !folder && (component == layersFolder || component == manifestsFolder || prefix == "" && component == deletedPrefix):
			return yield(oci.Name{}, damaged(joinKey(prefix, component), errNoFolder)) && false
		case prefix == "" && (strings.HasPrefix(component, "_") || strings.HasPrefix(component, ".") || component == "lost+found"):
			// Not below a namespace, or the file system's.
		case component == layersFolder || component == manifestsFolder:
			own = true
		case component == pullsObject || component == removedFolder:
		case !folder:
			return yield(oci.Name{}, damaged(joinKey(prefix, component), errNoPlace)) && false
		default:
			below = append(below, component)
		}
	}
	if own {
		ns, err := oci.ParseName(prefix)
		if err != nil {
			err = damaged(prefix, errNoPlace)
		} else {
			err = r.wholeNamespace(ctx, ns)
		}
		if !yield(ns, err) {
			return false
		}
	}
	for _, component := range below {
		if !r.walkNamespaces(ctx, joinKey(prefix, component), yield) {
			return false
		}
	}
	return true
}

// wholeNamespace sees that what holds manifests, tags and referrers are folders: a listing of something else
// is empty, and they would look as if there were none.
func (r *Registry) wholeNamespace(ctx context.Context, ns oci.Name) error {
	prefix := joinKey(ns.String(), manifestsFolder)
	for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{}) {
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		if !strings.HasSuffix(entry.Name, "/") {
			return damaged(joinKey(prefix, entry.Name), errNoFolder)
		}
	}
	return nil
}

func joinKey(prefix, component string) string {
	if prefix == "" {
		return component
	}
	return prefix + "/" + component
}

// errNoPlace is what damaged says of a name that the layout has no place for.
var errNoPlace = errors.New("no object of sreg has a name like that; move the file away if something else put it there")

// errNoFolder is what damaged says of a file in the place of a folder.
var errNoFolder = errors.New("it is a file, want a folder; restore the folder from a backup, or move the file away")

// Enrolled yields the namespaces of the catalog.
func (r *Registry) Enrolled(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for entry, err := range r.metadata.List(ctx, namespacesPrefix, storage.ListOptions{}) {
			if err != nil {
				yield(oci.Name{}, fmt.Errorf("list %s: %w", namespacesPrefix, err))
				return
			}
			ns, err := unflatten(entry.Name)
			if err != nil {
				err = damaged(namespacesPrefix+"/"+entry.Name, errNoPlace)
			}
			if !yield(ns, err) {
				return
			}
		}
	}
}

// Revisions yields the digests of the live manifests of a namespace.
func (r *Registry) Revisions(ctx context.Context, ns oci.Name) iter.Seq2[oci.Digest, error] {
	return r.digestsBelow(ctx, revisionsPrefix(ns))
}

// Links yields the digests of the blobs that a namespace holds.
func (r *Registry) Links(ctx context.Context, ns oci.Name) iter.Seq2[oci.Digest, error] {
	return r.digestsBelow(ctx, ns.String()+"/"+layersFolder)
}

// digestsBelow lists a folder that has a folder for each algorithm. It goes down level by level: a folder
// where an object should be would not show in a deep listing.
func (r *Registry) digestsBelow(ctx context.Context, prefix string) iter.Seq2[oci.Digest, error] {
	return func(yield func(oci.Digest, error) bool) {
		for algorithm, err := range r.metadata.List(ctx, prefix, storage.ListOptions{}) {
			if err != nil {
				yield(oci.Digest{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			name, folder := strings.CutSuffix(algorithm.Name, "/")
			if !folder {
				if !yield(oci.Digest{}, damaged(joinKey(prefix, name), errNoPlace)) {
					return
				}
				continue
			}
			if !r.digestsOf(ctx, prefix, name, yield) {
				return
			}
		}
	}
}

// digestsOf lists those of one algorithm, and says whether to go on.
func (r *Registry) digestsOf(ctx context.Context, prefix, algorithm string, yield func(oci.Digest, error) bool) bool {
	folder := joinKey(prefix, algorithm)
	for entry, err := range r.metadata.List(ctx, folder, storage.ListOptions{}) {
		if err != nil {
			yield(oci.Digest{}, fmt.Errorf("list %s: %w", folder, err))
			return false
		}
		d, err := oci.ParseDigest(algorithm + ":" + entry.Name)
		if err != nil {
			err = damaged(joinKey(folder, entry.Name), errNoPlace)
		}
		if !yield(d, err) {
			return false
		}
	}
	return true
}

// Tags yields the names of the tags of a namespace.
func (r *Registry) Tags(ctx context.Context, ns oci.Name) iter.Seq2[oci.Tag, error] {
	return func(yield func(oci.Tag, error) bool) {
		prefix := tagsPrefix(ns)
		for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{}) {
			if err != nil {
				yield(oci.Tag{}, fmt.Errorf("list tags of %s: %w", ns, err))
				return
			}
			tag, err := unescapeTag(entry.Name)
			if err != nil {
				err = damaged(prefix+"/"+entry.Name, errNoPlace)
			}
			if !yield(tag, err) {
				return
			}
		}
	}
}

// MovedAside yields the namespaces of which a repair moved a manifest or a tag aside that is not there again:
// nobody knows what it named. One may come several times.
func (r *Registry) MovedAside(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for entry, err := range r.metadata.List(ctx, corruptPrefix, storage.ListOptions{Deep: true}) {
			if err != nil {
				yield(oci.Name{}, fmt.Errorf("list what was moved aside: %w", err))
				return
			}
			_, key, _ := strings.Cut(entry.Name, "/")
			o := parseKey(key)
			if o.Kind != ObjectRevision && o.Kind != ObjectTag {
				continue
			}
			there, err := r.Exists(ctx, o)
			if err == nil && there {
				continue
			}
			if !yield(o.Namespace, err) {
				return
			}
		}
	}
}

// ReferrerEntry says that a manifest is listed among the referrers of a subject.
type ReferrerEntry struct{ Subject, Referrer oci.Digest }

// ReferrerEntries yields all of a namespace.
func (r *Registry) ReferrerEntries(ctx context.Context, ns oci.Name) iter.Seq2[ReferrerEntry, error] {
	return func(yield func(ReferrerEntry, error) bool) {
		prefix := ns.String() + "/" + manifestsFolder + "/referrers"
		for entry, err := range r.metadata.List(ctx, prefix, storage.ListOptions{Deep: true}) {
			if err != nil {
				yield(ReferrerEntry{}, fmt.Errorf("list referrers in %s: %w", ns, err))
				return
			}
			parsed, err := parseReferrerName(entry.Name)
			if err != nil {
				err = damaged(prefix+"/"+entry.Name, errNoPlace)
			}
			if !yield(parsed, err) {
				return
			}
		}
	}
}

// Blobs yields the digests of all live blobs.
func (r *Registry) Blobs(ctx context.Context) iter.Seq2[oci.Digest, error] {
	return func(yield func(oci.Digest, error) bool) {
		for entry, err := range r.blobs.List(ctx, blobsPrefix, storage.ListOptions{Deep: true}) {
			if err != nil {
				yield(oci.Digest{}, fmt.Errorf("list blobs: %w", err))
				return
			}
			thing, err := parseThing(blobsPrefix + "/" + entry.Name)
			if !yield(thing.Digest, err) {
				return
			}
		}
	}
}

// Kept is an entry of the trash, as far as a collector has to know: what must not be destroyed until its
// time is over.
type Kept struct {
	Removed
	Manifest *oci.Manifest // of a manifest, else nil
}

// KeptInTrash yields what was removed and can be restored. It is Trash for who has to know what a manifest
// names; what cannot be read is ErrDamaged.
func (r *Registry) KeptInTrash(ctx context.Context) iter.Seq2[Kept, error] {
	return func(yield func(Kept, error) bool) {
		for ns, err := range r.trashed(ctx, oci.Name{}) {
			if err != nil {
				yield(Kept{}, err)
				return
			}
			for entry, err := range r.trashOf(ctx, ns) {
				kept := Kept{Removed: entry.Removed}
				if err == nil {
					kept, err = forCollector(entry)
				}
				if !yield(kept, err) {
					return
				}
			}
		}
	}
}

func forCollector(entry keptEntry) (Kept, error) {
	kept := Kept{Removed: entry.Removed}
	kept.Size = int64(len(entry.content))
	if entry.Kind != KindManifest {
		return kept, nil
	}
	revision, err := parseWholeRevision(entry.Key, entry.Digest, storage.Value{Data: entry.content})
	kept.Manifest = &revision.Manifest
	return kept, err
}

// Session is an upload that was not completed.
type Session struct {
	ID        string
	Namespace oci.Name // zero if its writer was killed before it wrote that down
	Size      int64    // bytes
	Expired   bool
}

// Sessions yields the uploads that are under way or were left.
func (r *Registry) Sessions(ctx context.Context) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for session, err := range r.blobs.ListUploads(ctx) {
			if err != nil {
				yield(Session{}, fmt.Errorf("list uploads: %w", err))
				return
			}
			_, raw, err := r.blobs.StatUpload(ctx, session.ID)
			if err != nil {
				continue // ended meanwhile
			}
			label, err := readLabel(raw)
			if err != nil {
				// Its writer was killed before it wrote the label, or is about to write it.
				label.Begun = session.Begun
			}
			if !yield(Session{ID: session.ID, Namespace: label.Namespace, Size: session.Size, Expired: r.expired(label)}, nil) {
				return
			}
		}
	}
}

// EndSession ends an upload that has expired. One that somebody writes to at this moment stays.
func (r *Registry) EndSession(ctx context.Context, s Session) error { return r.endUpload(ctx, s.ID) }

// SweepTemporary removes what crashed writers left that nothing can name. It returns how many.
func (r *Registry) SweepTemporary(ctx context.Context) (removed int, err error) {
	for _, store := range r.eachStore() {
		n, err := store.Sweep(ctx, r.config.UploadTTL)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
	}
	return removed, nil
}
