package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Undo names what is to come back. A tag: its last value, or with a digest an older one. A digest: the
// manifest or the blob; without a namespace it is found in the trash. A namespace alone: every tag,
// manifest and blob that is gone from it.
type Undo struct {
	Namespace oci.Name
	Tag       oci.Tag
	Digest    oci.Digest
	// Since leaves out what was removed from the namespace before it.
	Since time.Time
	// By is who restores; from now on it is who pushed.
	By string
	// DryRun looks whether it can be done, and changes nothing.
	DryRun bool
}

// Restored is one thing that an undo has brought back, or would.
type Restored struct {
	Kind      Kind
	Namespace oci.Name
	Tag       oci.Tag // of a tag, else zero
	Digest    oci.Digest
	// Found says that it was there already, so that nothing was changed.
	Found bool
}

// Restore undoes removals. It is a push of what the namespace held: it keeps the promise rule, its time
// is the time of the push, and it may be called again at any time. What is gone for good is a
// *MissingError or ErrNotKept. Beside an error it returns what was restored before it.
func (m *Maintenance) Restore(ctx context.Context, undo Undo) ([]Restored, error) {
	if undo.Namespace.IsZero() {
		ns, err := m.whereRemoved(ctx, undo.Digest)
		if err != nil {
			return nil, err
		}
		undo.Namespace = ns
	}
	if err := m.admitChange(undo.Namespace); err != nil {
		return nil, err
	}
	trash, err := m.readTrash(ctx, undo.Namespace)
	if err != nil {
		return nil, err
	}
	u := &undoing{Undo: undo, r: m, trash: trash}
	switch {
	case !undo.Tag.IsZero():
		err = u.settle(ctx, u.tag(ctx, undo.Tag, undo.Digest))
	case !undo.Digest.IsZero():
		err = u.settle(ctx, u.digest(ctx, undo.Digest))
	default:
		err = u.namespace(ctx)
	}
	return u.done, err
}

// whereRemoved finds the one namespace that a digest was removed from.
func (m *Maintenance) whereRemoved(ctx context.Context, d oci.Digest) (oci.Name, error) {
	if d.IsZero() {
		return oci.Name{}, fmt.Errorf("%w: an undo without namespace and digest", ErrNotKept)
	}
	var found []oci.Name
	for ns, err := range m.trashed(ctx, oci.Name{}) {
		if err != nil {
			return oci.Name{}, err
		}
		trash, err := m.readTrash(ctx, ns)
		if err != nil {
			return oci.Name{}, err
		}
		_, manifest := trash.manifests[d]
		_, blob := trash.blobs[d]
		if manifest || blob {
			found = append(found, ns)
		}
	}
	switch len(found) {
	case 0:
		return oci.Name{}, fmt.Errorf("%w: %s", ErrNotKept, d)
	case 1:
		return found[0], nil
	}
	return oci.Name{}, &SeveralError{Digest: d, Namespaces: found}
}

// maxDepth bounds how deep an undo follows indexes.
const maxDepth = 16

// undoing is one call of Restore.
type undoing struct {
	Undo
	r     *Maintenance
	trash trashIndex
	done  []Restored
	used  []Removed // what the trash need not keep once the present thing is restored
}

// note adds to what was done, once.
func (u *undoing) note(one Restored) {
	one.Namespace = u.Namespace
	if !slices.Contains(u.done, one) {
		u.done = append(u.done, one)
	}
}

// settle ends the undo of one thing. The trash lets go of it at the very end: a crash before leaves an
// entry for something that is there, which misleads nobody.
func (u *undoing) settle(ctx context.Context, err error) error {
	used := u.used
	u.used = nil
	if err != nil || u.DryRun {
		return err
	}
	for _, entry := range used {
		if err := u.r.DropTrash(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

// namespace brings back all that is gone; one thing that cannot come does not keep the others away.
func (u *undoing) namespace(ctx context.Context) error {
	if len(u.trash.tags)+len(u.trash.manifests)+len(u.trash.blobs) == 0 {
		return fmt.Errorf("%w: %s", ErrNotKept, u.Namespace)
	}
	var errs []error
	restore := func(entry Removed, gone func() (bool, error), one func() error) {
		if entry.At.Before(u.Since) || ctx.Err() != nil {
			return
		}
		missing, err := gone()
		if missing && err == nil {
			err = u.settle(ctx, one())
		}
		errs = append(errs, err)
	}
	for _, tag := range slices.SortedFunc(maps.Keys(u.trash.tags), compare) {
		restore(u.trash.tags[tag][0], func() (bool, error) {
			now, err := u.now(ctx, tag)
			return !now.there, err
		}, func() error { return u.tag(ctx, tag, oci.Digest{}) })
	}
	for _, d := range slices.SortedFunc(maps.Keys(u.trash.manifests), compare) {
		restore(u.trash.manifests[d], func() (bool, error) {
			whole, err := u.whole(ctx, d, visited{})
			return !whole, err
		}, func() error { return u.manifest(ctx, d) })
	}
	for _, d := range slices.SortedFunc(maps.Keys(u.trash.blobs), compare) {
		restore(u.trash.blobs[d], func() (bool, error) { return u.lacksBlob(ctx, d) }, func() error { return u.blob(ctx, d) })
	}
	return errors.Join(append(errs, ctx.Err())...)
}

func compare[S fmt.Stringer](a, b S) int { return cmp.Compare(a.String(), b.String()) }

// digest brings back a manifest, or a blob if no manifest has the digest.
func (u *undoing) digest(ctx context.Context, d oci.Digest) error {
	err := u.manifest(ctx, d)
	if !errors.Is(err, ErrNotKept) {
		return err
	}
	if blob := u.blob(ctx, d); !errors.Is(blob, ErrNotKept) {
		return blob
	}
	return err
}

// manifest brings back a manifest with what it needs. One that a collector has condemned comes, too.
func (u *undoing) manifest(ctx context.Context, d oci.Digest) error {
	whole, err := u.whole(ctx, d, visited{})
	if err != nil {
		return err
	}
	if whole {
		u.note(Restored{Kind: KindManifest, Digest: d, Found: true})
		return nil
	}
	m, err := u.find(ctx, d)
	if err != nil {
		return err
	}
	if u.DryRun {
		err = u.check(ctx, d)
	} else {
		err = u.push(ctx, m, maxDepth)
	}
	if err == nil {
		u.note(Restored{Kind: KindManifest, Digest: d})
	}
	return err
}

// found is a manifest that the namespace holds, or held.
type found struct {
	*Manifest
	parsed oci.Manifest
	gone   bool // it is from the trash
}

// find reads a manifest in the namespace, else in its trash.
func (u *undoing) find(ctx context.Context, d oci.Digest) (found, error) {
	stored, err := u.r.revision(ctx, u.Namespace, d)
	gone := errors.Is(err, storage.ErrNotExist)
	if gone {
		stored, err = u.keptManifest(ctx, d)
	}
	if gone && errors.Is(err, storage.ErrNotExist) {
		stored, err = u.r.revision(ctx, u.Namespace, d) // another undo was faster
	}
	if errors.Is(err, storage.ErrNotExist) {
		return found{}, fmt.Errorf("%w: manifest %s of %s", ErrNotKept, d, u.Namespace)
	}
	if err != nil {
		return found{}, fmt.Errorf("read manifest %s in %s: %w", d, u.Namespace, err)
	}
	m, err := oci.ParseManifest(stored.MediaType, stored.Content)
	if err != nil {
		return found{}, damaged(revisionKey(u.Namespace, d), err)
	}
	return found{Manifest: stored, parsed: m, gone: gone}, nil
}

// push pushes a manifest once more, whether it is gone or not.
func (u *undoing) push(ctx context.Context, m found, depth int) error {
	push := Push{Digest: m.Digest, ContentType: m.MediaType, Content: m.Content, By: u.By}
	hold := func() ([]oci.Digest, error) { return u.hold(ctx, m.parsed, depth) }
	err := storage.ErrNotExist
	for range attempts {
		err = u.r.putManifest(ctx, u.Namespace, push, m.parsed, m.Digest, hold)
		if !errors.Is(err, storage.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, storage.ErrNotExist) {
		err = ErrDisturbed
	}
	if err != nil {
		return fmt.Errorf("restore manifest %s in %s: %w", m.Digest, u.Namespace, err)
	}
	if entry, kept := u.trash.manifests[m.Digest]; kept && m.gone {
		u.used = append(u.used, entry)
		u.note(Restored{Kind: KindManifest, Digest: m.Digest})
	}
	return nil
}

func (u *undoing) keptManifest(ctx context.Context, d oci.Digest) (*Manifest, error) {
	entry, ok := u.trash.manifests[d]
	if !ok {
		return nil, storage.ErrNotExist
	}
	kept, err := u.r.readKept(ctx, u.Namespace, entry.Key)
	if err != nil {
		return nil, err
	}
	return kept.manifest()
}

// hold makes live what a manifest names, and brings back what of it was removed from this namespace:
// only an entry of its trash says that it held a blob, never the word of a manifest.
func (u *undoing) hold(ctx context.Context, m oci.Manifest, depth int) (missing []oci.Digest, err error) {
	if err := u.bringBack(ctx, m, depth, visited{}); err != nil {
		return nil, err
	}
	return u.r.holdReferences(ctx, u.Namespace, m)
}

func (u *undoing) bringBack(ctx context.Context, m oci.Manifest, depth int, seen visited) error {
	for _, blob := range m.Blobs() {
		if _, kept := u.trash.blobs[blob.Digest]; !kept {
			continue
		}
		if err := u.linkAgain(ctx, blob.Digest); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return fmt.Errorf("restore blob %s in %s: %w", blob.Digest, u.Namespace, err)
		}
	}
	if depth == 0 {
		return nil
	}
	for _, child := range m.Children() {
		if seen.before(child.Digest) {
			continue
		}
		if err := u.bringBackChild(ctx, child.Digest, depth-1, seen); err != nil && !errors.Is(err, ErrNotKept) {
			return err
		}
	}
	return nil
}

func (u *undoing) bringBackChild(ctx context.Context, d oci.Digest, depth int, seen visited) error {
	m, err := u.find(ctx, d)
	if err != nil {
		return err
	}
	if m.gone {
		return u.push(ctx, m, depth)
	}
	return u.bringBack(ctx, m.parsed, depth, seen)
}

// blob brings back a blob alone.
func (u *undoing) blob(ctx context.Context, d oci.Digest) error {
	lacks, err := u.lacksBlob(ctx, d)
	if err != nil {
		return err
	}
	if !lacks {
		u.note(Restored{Kind: KindBlob, Digest: d, Found: true})
		return nil
	}
	if _, kept := u.trash.blobs[d]; !kept {
		return fmt.Errorf("%w: %s in %s", ErrNotKept, d, u.Namespace)
	}
	if u.DryRun {
		return u.checkBlobs(ctx, d)
	}
	for range attempts {
		if err = u.linkAgain(ctx, d); !errors.Is(err, storage.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, storage.ErrNotExist) {
		err = &MissingError{Digests: []oci.Digest{d}}
	}
	if err != nil {
		return fmt.Errorf("restore blob %s in %s: %w", d, u.Namespace, err)
	}
	return nil
}

// linkAgain makes the namespace hold a blob that its trash has an entry of: the bytes, the link, a last
// look at both. It is storage.ErrNotExist if the bytes are gone.
func (u *undoing) linkAgain(ctx context.Context, d oci.Digest) error {
	_, err := u.r.metadata.Stat(ctx, linkKey(u.Namespace, d))
	if err == nil {
		return u.r.holdBlob(ctx, u.Namespace, d)
	}
	if !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	blob, err := u.r.blobs.Revive(ctx, blobKey(d))
	if err != nil {
		return err
	}
	if err := u.r.link(ctx, u.Namespace, d, blob.DataKey); err != nil {
		return err
	}
	if err := u.r.holdBlob(ctx, u.Namespace, d); err != nil {
		return err
	}
	u.used = append(u.used, u.trash.blobs[d])
	u.note(Restored{Kind: KindBlob, Digest: d})
	return nil
}

// lacksBlob looks whether the namespace is without a blob, or the blob without its bytes.
func (u *undoing) lacksBlob(ctx context.Context, d oci.Digest) (bool, error) {
	_, err := u.r.metadata.Stat(ctx, linkKey(u.Namespace, d))
	if err == nil {
		_, err = u.r.blobs.Stat(ctx, blobKey(d))
	}
	if errors.Is(err, storage.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read blob %s in %s: %w", d, u.Namespace, err)
	}
	return false, nil
}

// visited keeps a walk down an index from going twice where two ways lead.
type visited map[oci.Digest]bool

func (v visited) before(d oci.Digest) bool {
	was := v[d]
	v[d] = true
	return was
}

// whole looks whether a manifest is live, and all that it names and that leads to it is there, so that
// there is nothing to do.
func (u *undoing) whole(ctx context.Context, d oci.Digest, seen visited) (bool, error) {
	if seen.before(d) {
		return true, nil
	}
	info, err := u.r.metadata.Stat(ctx, revisionKey(u.Namespace, d))
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read manifest %s in %s: %w", d, u.Namespace, err)
	}
	if info.State != storage.Live {
		return false, nil
	}
	m, err := u.find(ctx, d)
	if err != nil {
		return false, err
	}
	if m.parsed.Subject != nil {
		_, err := u.r.metadata.Stat(ctx, referrerKey(u.Namespace, m.parsed.Subject.Digest, d))
		if errors.Is(err, storage.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read referrer %s in %s: %w", d, u.Namespace, err)
		}
	}
	for _, blob := range m.parsed.Blobs() {
		if lacks, err := u.lacksBlob(ctx, blob.Digest); lacks || err != nil {
			return false, err
		}
	}
	for _, child := range m.parsed.Children() {
		if whole, err := u.whole(ctx, child.Digest, seen); !whole || err != nil {
			return false, err
		}
	}
	return true, nil
}
