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

// RestoreOptions name what to restore. A tag: its last value, or with a digest an older one. A digest: the
// manifest or the blob; without a namespace the trash tells which one. A namespace alone: every tag,
// manifest and blob that is gone from it.
type RestoreOptions struct {
	Namespace oci.Name
	Tag       oci.Tag
	Digest    oci.Digest
	// Since leaves out what was removed from the namespace before it.
	Since time.Time
	// By is who restores; from now on it is who pushed.
	By string
	// DryRun tells whether it can be done, and changes nothing.
	DryRun bool
}

// Restored is one object that Restore has restored, or would.
type Restored struct {
	Kind      Kind
	Namespace oci.Name
	Tag       oci.Tag // of a tag, else zero
	Digest    oci.Digest
	// Found says that it was there already, and nothing was changed.
	Found bool
}

// Restore undoes removals. It is a push of what the namespace held: it keeps the promise rule, its time
// is the time of the push, and it may be called again at any time. What is destroyed is a
// *MissingError or ErrNotInTrash. With an error it also returns what was restored before it.
func (m *Maintenance) Restore(ctx context.Context, opts RestoreOptions) ([]Restored, error) {
	if opts.Namespace.IsZero() {
		ns, err := m.namespaceOf(ctx, opts.Digest)
		if err != nil {
			return nil, err
		}
		opts.Namespace = ns
	}
	if err := m.admitChange(opts.Namespace); err != nil {
		return nil, err
	}
	trash, err := m.readTrash(ctx, opts.Namespace)
	if err != nil {
		return nil, err
	}
	rs := &restoring{RestoreOptions: opts, m: m, trash: trash}
	switch {
	case !opts.Tag.IsZero():
		err = rs.finish(ctx, rs.tag(ctx, opts.Tag, opts.Digest))
	case !opts.Digest.IsZero():
		err = rs.finish(ctx, rs.digest(ctx, opts.Digest))
	default:
		err = rs.namespace(ctx)
	}
	return rs.done, err
}

// namespaceOf finds the one namespace that a digest was removed from.
func (m *Maintenance) namespaceOf(ctx context.Context, d oci.Digest) (oci.Name, error) {
	if d.IsZero() {
		return oci.Name{}, fmt.Errorf("%w: no namespace and no digest is named", ErrNotInTrash)
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
		return oci.Name{}, fmt.Errorf("%w: %s", ErrNotInTrash, d)
	case 1:
		return found[0], nil
	}
	return oci.Name{}, &AmbiguousDigestError{Digest: d, Namespaces: found}
}

// maxDepth bounds how deep a restore follows indexes.
const maxDepth = 16

// restoring is one call of Restore.
type restoring struct {
	RestoreOptions
	m     *Maintenance
	trash trashIndex
	done  []Restored
	used  []TrashEntry // entries to drop when the current object is restored
}

// addDone notes what was restored, once.
func (rs *restoring) addDone(one Restored) {
	one.Namespace = rs.Namespace
	if !slices.Contains(rs.done, one) {
		rs.done = append(rs.done, one)
	}
}

// finish ends the restore of one object. Its entries of the trash are dropped last: a crash before that leaves an
// entry for something that is there, which does no harm.
func (rs *restoring) finish(ctx context.Context, err error) error {
	used := rs.used
	rs.used = nil
	if err != nil || rs.DryRun {
		return err
	}
	for _, entry := range used {
		if err := rs.m.DropTrash(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

// namespace restores all that is gone. If one object cannot be restored, the others still are.
func (rs *restoring) namespace(ctx context.Context) error {
	if len(rs.trash.tags)+len(rs.trash.manifests)+len(rs.trash.blobs) == 0 {
		return fmt.Errorf("%w: %s", ErrNotInTrash, rs.Namespace)
	}
	var errs []error
	restore := func(entry TrashEntry, gone func() (bool, error), one func() error) {
		if entry.At.Before(rs.Since) || ctx.Err() != nil {
			return
		}
		missing, err := gone()
		if missing && err == nil {
			err = rs.finish(ctx, one())
		}
		errs = append(errs, err)
	}
	for _, tag := range slices.SortedFunc(maps.Keys(rs.trash.tags), compare) {
		restore(rs.trash.tags[tag][0], func() (bool, error) {
			now, err := rs.currentTag(ctx, tag)
			return !now.there, err
		}, func() error { return rs.tag(ctx, tag, oci.Digest{}) })
	}
	for _, d := range slices.SortedFunc(maps.Keys(rs.trash.manifests), compare) {
		restore(rs.trash.manifests[d], func() (bool, error) {
			complete, err := rs.isComplete(ctx, d, visited{})
			return !complete, err
		}, func() error { return rs.manifest(ctx, d) })
	}
	for _, d := range slices.SortedFunc(maps.Keys(rs.trash.blobs), compare) {
		restore(rs.trash.blobs[d], func() (bool, error) { return rs.lacksBlob(ctx, d) }, func() error { return rs.blob(ctx, d) })
	}
	return errors.Join(append(errs, ctx.Err())...)
}

func compare[S fmt.Stringer](a, b S) int { return cmp.Compare(a.String(), b.String()) }

// digest restores a manifest, or a blob if no manifest has the digest.
func (rs *restoring) digest(ctx context.Context, d oci.Digest) error {
	err := rs.manifest(ctx, d)
	if !errors.Is(err, ErrNotInTrash) {
		return err
	}
	if blob := rs.blob(ctx, d); !errors.Is(blob, ErrNotInTrash) {
		return blob
	}
	return err
}

// manifest restores a manifest with what it needs, also one that a collector has condemned.
func (rs *restoring) manifest(ctx context.Context, d oci.Digest) error {
	complete, err := rs.isComplete(ctx, d, visited{})
	if err != nil {
		return err
	}
	if complete {
		rs.addDone(Restored{Kind: KindManifest, Digest: d, Found: true})
		return nil
	}
	m, err := rs.find(ctx, d)
	if err != nil {
		return err
	}
	if rs.DryRun {
		err = rs.check(ctx, d)
	} else {
		err = rs.push(ctx, m, maxDepth)
	}
	if err == nil {
		rs.addDone(Restored{Kind: KindManifest, Digest: d})
	}
	return err
}

// found is a manifest that the namespace holds, or held.
type found struct {
	*Manifest
	parsed oci.Manifest
	gone   bool // it is from the trash
}

// find reads a manifest from the namespace, else from its trash.
func (rs *restoring) find(ctx context.Context, d oci.Digest) (found, error) {
	stored, err := rs.m.revision(ctx, rs.Namespace, d)
	gone := errors.Is(err, storage.ErrNotExist)
	if gone {
		stored, err = rs.m.removed(ctx, rs.trash, d)
	}
	if gone && errors.Is(err, storage.ErrNotExist) {
		stored, err = rs.m.revision(ctx, rs.Namespace, d) // another restore was faster
	}
	if errors.Is(err, storage.ErrNotExist) {
		return found{}, fmt.Errorf("%w: manifest %s of %s", ErrNotInTrash, d, rs.Namespace)
	}
	if err != nil {
		return found{}, fmt.Errorf("read manifest %s in %s: %w", d, rs.Namespace, err)
	}
	m, err := stored.Parse()
	if err != nil {
		return found{}, err
	}
	return found{Manifest: stored, parsed: m, gone: gone}, nil
}

// push pushes a manifest again, whether it is gone or not.
func (rs *restoring) push(ctx context.Context, m found, depth int) error {
	p := &push{Push: Push{Digest: m.Digest, ContentType: m.MediaType, Content: m.Content, By: rs.By}, ns: rs.Namespace, manifest: m.parsed, restored: true}
	p.revive = func(ctx context.Context) ([]oci.Digest, error) { return rs.revive(ctx, m.parsed, depth) }
	if err := tryAgain("push", rs.Namespace, m.Digest, func() error { return rs.m.putManifest(ctx, p) }); err != nil {
		return fmt.Errorf("restore manifest %s in %s: %w", m.Digest, rs.Namespace, err)
	}
	if entry, kept := rs.trash.manifests[m.Digest]; kept && m.gone {
		rs.used = append(rs.used, entry)
		rs.addDone(Restored{Kind: KindManifest, Digest: m.Digest})
	}
	return nil
}

// revive makes live what a manifest names, and restores what of it was removed from this namespace. Only an entry
// of its trash proves that it held a blob; that a manifest names one does not.
func (rs *restoring) revive(ctx context.Context, m oci.Manifest, depth int) (missing []oci.Digest, err error) {
	if err := rs.restoreContent(ctx, m, depth, visited{}); err != nil {
		return nil, err
	}
	return rs.m.reviveReferences(ctx, rs.Namespace, m)
}

func (rs *restoring) restoreContent(ctx context.Context, m oci.Manifest, depth int, seen visited) error {
	for _, blob := range append(m.Blobs(), m.Children()...) {
		if _, kept := rs.trash.blobs[blob.Digest]; !kept {
			continue
		}
		if err := rs.restoreLink(ctx, blob.Digest); err != nil && !errors.Is(err, storage.ErrNotExist) {
			return fmt.Errorf("restore blob %s in %s: %w", blob.Digest, rs.Namespace, err)
		}
	}
	if depth == 0 {
		return nil
	}
	for _, child := range m.Children() {
		if !seen.add(child.Digest) {
			continue
		}
		if err := rs.restoreChild(ctx, child.Digest, depth-1, seen); err != nil && !errors.Is(err, ErrNotInTrash) {
			return err
		}
	}
	return nil
}

func (rs *restoring) restoreChild(ctx context.Context, d oci.Digest, depth int, seen visited) error {
	m, err := rs.find(ctx, d)
	if err != nil {
		return err
	}
	if m.gone {
		return rs.push(ctx, m, depth)
	}
	return rs.restoreContent(ctx, m.parsed, depth, seen)
}

// blob restores a blob alone.
func (rs *restoring) blob(ctx context.Context, d oci.Digest) error {
	lacks, err := rs.lacksBlob(ctx, d)
	if err != nil {
		return err
	}
	if !lacks {
		rs.addDone(Restored{Kind: KindBlob, Digest: d, Found: true})
		return nil
	}
	if _, kept := rs.trash.blobs[d]; !kept {
		return fmt.Errorf("%w: %s in %s", ErrNotInTrash, d, rs.Namespace)
	}
	if rs.DryRun {
		return rs.checkBlob(ctx, d)
	}
	err = tryAgain("link", rs.Namespace, d, func() error { return rs.restoreLink(ctx, d) })
	if errors.Is(err, ErrDisturbed) {
		err = &MissingError{Digests: []oci.Digest{d}}
	}
	if err != nil {
		return fmt.Errorf("restore blob %s in %s: %w", d, rs.Namespace, err)
	}
	return nil
}

// restoreLink makes the namespace hold a blob again that its trash has an entry of: the bytes, the link, a last
// look at both. It is storage.ErrNotExist if the bytes are gone.
func (rs *restoring) restoreLink(ctx context.Context, d oci.Digest) error {
	_, err := rs.m.metadata.Stat(ctx, linkKey(rs.Namespace, d))
	if err == nil {
		return rs.m.reviveBlob(ctx, rs.Namespace, d)
	}
	if !errors.Is(err, storage.ErrNotExist) {
		return err
	}
	blob, err := rs.m.blobs.Revive(ctx, blobKey(d))
	if err != nil {
		return err
	}
	if err := rs.m.link(ctx, rs.Namespace, d, blob.DataKey); err != nil {
		return err
	}
	if err := rs.m.reviveBlob(ctx, rs.Namespace, d); err != nil {
		return err
	}
	rs.used = append(rs.used, rs.trash.blobs[d])
	rs.addDone(Restored{Kind: KindBlob, Digest: d})
	return nil
}
