package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// Namespaces yields every namespace that has a tag, a revision, a link or a marker, or had one, in lexical order
// of its parts. A store without folders forgets those that have nothing any more.
func (m *Maintenance) Namespaces(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		m.walkNamespaces(ctx, "", yield)
	}
}

// HoldsAnything tells whether a namespace, or one below it, has a live object: the folders of one that has none may stay.
func (m *Maintenance) HoldsAnything(ctx context.Context, ns oci.Name) (bool, error) {
	for _, err := range m.metadata.List(ctx, ns.String(), storage.ListOptions{Deep: true}) {
		return err == nil, err
	}
	return false, nil
}

// walkNamespaces visits those below a prefix, and says whether to go on.
func (m *Maintenance) walkNamespaces(ctx context.Context, prefix string, yield func(oci.Name, error) bool) bool {
	var below []string
	own := false
	for entry, err := range m.metadata.List(ctx, prefix, storage.ListOptions{}) {
		if err != nil {
			return yield(oci.Name{}, fmt.Errorf("list namespaces: %w", err)) && false
		}
		component, folder := strings.CutSuffix(entry.Name, "/")
		switch {
		case !folder && (component == layersFolder || component == manifestsFolder || component == removedFolder || prefix == "" && component == deletedPrefix):
			return yield(oci.Name{}, damaged(joinKey(prefix, component), errNoFolder)) && false
		case prefix == "" && (strings.HasPrefix(component, "_") || strings.HasPrefix(component, ".") || component == "lost+found"):
			// Not of a namespace, or the file system's.
		case component == layersFolder || component == manifestsFolder || component == removedFolder:
			own = true
		case component == pullsObject:
		case !folder:
			return yield(oci.Name{}, damaged(joinKey(prefix, component), errStrangeName)) && false
		default:
			below = append(below, component)
		}
	}
	if own {
		ns, err := oci.ParseName(prefix)
		if err != nil {
			err = damaged(prefix, errStrangeName)
		} else {
			err = m.checkFolders(ctx, ns)
		}
		if !yield(ns, err) {
			return false
		}
	}
	for _, component := range below {
		if !m.walkNamespaces(ctx, joinKey(prefix, component), yield) {
			return false
		}
	}
	return true
}

// checkFolders fails if manifests, tags or referrers are no folders: a listing of something else is empty, as if there
// were none.
func (m *Maintenance) checkFolders(ctx context.Context, ns oci.Name) error {
	prefix := joinKey(ns.String(), manifestsFolder)
	for entry, err := range m.metadata.List(ctx, prefix, storage.ListOptions{}) {
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

// errStrangeName is what damaged says of a name that is none of the layout.
var errStrangeName = errors.New("no object of sreg has a name like that; move the file away if something else put it there")

// errNoFolder is what damaged says of a file where a folder must be.
var errNoFolder = errors.New("it is a file, want a folder; restore the folder from a backup, or move the file away")

// listed yields what a listing shows, as parse reads it. A name that it cannot read is ErrDamaged, and the
// next ones follow.
func listed[T any](
	ctx context.Context, store storage.Store, prefix string, opts storage.ListOptions, parse func(name string) (T, error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for entry, err := range store.List(ctx, prefix, opts) {
			if err != nil {
				var none T
				yield(none, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			one, err := parse(entry.Name)
			if err != nil {
				err = damaged(joinKey(prefix, entry.Name), errStrangeName)
			}
			if !yield(one, err) {
				return
			}
		}
	}
}

// InCatalog yields the namespaces that the catalog lists.
func (m *Maintenance) InCatalog(ctx context.Context) iter.Seq2[oci.Name, error] {
	return listed(ctx, m.metadata, namespacesPrefix, storage.ListOptions{Deep: true}, unflatten)
}

// Revisions yields the digests of the live manifests of a namespace.
func (m *Maintenance) Revisions(ctx context.Context, ns oci.Name) iter.Seq2[oci.Digest, error] {
	return m.digestsBelow(ctx, revisionsPrefix(ns))
}

// Links yields the digests of the blobs that a namespace holds.
func (m *Maintenance) Links(ctx context.Context, ns oci.Name) iter.Seq2[oci.Digest, error] {
	return m.digestsBelow(ctx, ns.String()+"/"+layersFolder)
}

// digestsBelow lists a folder that has a folder for each algorithm. It goes down level by level: a folder
// where an object should be would not show in a deep listing.
func (m *Maintenance) digestsBelow(ctx context.Context, prefix string) iter.Seq2[oci.Digest, error] {
	return func(yield func(oci.Digest, error) bool) {
		for algorithm, err := range m.metadata.List(ctx, prefix, storage.ListOptions{}) {
			if err != nil {
				yield(oci.Digest{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			name, folder := strings.CutSuffix(algorithm.Name, "/")
			if !folder {
				if !yield(oci.Digest{}, damaged(joinKey(prefix, name), errStrangeName)) {
					return
				}
				continue
			}
			parse := func(hex string) (oci.Digest, error) { return oci.ParseDigest(name + ":" + hex) }
			for d, err := range listed(ctx, m.metadata, joinKey(prefix, name), storage.ListOptions{}, parse) {
				if !yield(d, err) {
					return
				}
			}
		}
	}
}

// Tags yields the names of the tags of a namespace.
func (m *Maintenance) Tags(ctx context.Context, ns oci.Name) iter.Seq2[oci.Tag, error] {
	return listed(ctx, m.metadata, tagsPrefix(ns), storage.ListOptions{}, unescapeTag)
}

// MovedAside yields the namespaces of which a damaged manifest or tag was moved aside and not pushed again: nobody knows
// what it named. A namespace may come several times.
func (m *Maintenance) MovedAside(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for entry, err := range m.metadata.List(ctx, corruptPrefix, storage.ListOptions{Deep: true}) {
			if err != nil {
				yield(oci.Name{}, fmt.Errorf("list what was moved aside: %w", err))
				return
			}
			_, key, _ := strings.Cut(entry.Name, "/")
			o := ParseKey(key)
			if o.Kind != KindManifest && o.Kind != KindTag {
				continue
			}
			there, err := m.Exists(ctx, o)
			if err == nil && there {
				continue
			}
			if !yield(o.Namespace, err) {
				return
			}
		}
	}
}

// ReferrerEntries yields all entries by which subjects of a namespace show their referrers.
func (m *Maintenance) ReferrerEntries(ctx context.Context, ns oci.Name) iter.Seq2[Object, error] {
	prefix := allReferrersPrefix(ns)
	return listed(ctx, m.metadata, prefix, storage.ListOptions{Deep: true}, func(name string) (Object, error) {
		return parseKeyOf(KindReferrer, joinKey(prefix, name))
	})
}

// Blobs yields the digests of all live blobs.
func (m *Maintenance) Blobs(ctx context.Context) iter.Seq2[oci.Digest, error] {
	return listed(ctx, m.blobs, blobsPrefix, storage.ListOptions{Deep: true}, func(name string) (oci.Digest, error) {
		o, err := parseKeyOf(KindBlob, joinKey(blobsPrefix, name))
		return o.Digest, err
	})
}

// Part is a part of the stores that is walked on its own.
type Part string

// The parts. PartMetadata is all that is no blob. Condemned objects are in PartCondemned alone.
const (
	PartBlobs     Part = "blobs"
	PartMetadata  Part = "metadata"
	PartCondemned Part = "condemned"
)

// Objects yields the objects of a part whose keys come behind a key, in the order of the keys; those of
// PartCondemned in no order and from the beginning. It ends after the first error.
func (m *Maintenance) Objects(ctx context.Context, part Part, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		switch part {
		case PartBlobs:
			m.below(ctx, m.blobs, blobsPrefix, after, yield)
		case PartMetadata:
			m.metadataObjects(ctx, after, yield)
		case PartCondemned:
			for one, err := range m.condemnations(ctx) {
				if !yield(ParseKey(one.Key), err) {
					return
				}
			}
		}
	}
}

// ObjectsOf yields what a namespace and those below it hold, in the order of the keys.
func (m *Maintenance) ObjectsOf(ctx context.Context, ns oci.Name, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		m.below(ctx, m.metadata, ns.String(), after, yield)
	}
}

// below yields the live objects of one folder at the top.
func (m *Maintenance) below(ctx context.Context, store storage.Store, folder, after string, yield func(Object, error) bool) bool {
	if rest, inside := strings.CutPrefix(after, folder+"/"); inside {
		after = rest
	} else if after > folder {
		return true
	} else {
		after = ""
	}
	for entry, err := range store.List(ctx, folder, storage.ListOptions{After: after, Deep: true}) {
		if err != nil {
			yield(Object{}, fmt.Errorf("list %s: %w", folder, err))
			return false
		}
		if !yield(ParseKey(folder+"/"+entry.Name), nil) {
			return false
		}
	}
	return true
}

// metadataObjects yields all that is no blob, folder by folder.
func (m *Maintenance) metadataObjects(ctx context.Context, after string, yield func(Object, error) bool) {
	for entry, err := range m.metadata.List(ctx, "", storage.ListOptions{}) {
		if err != nil {
			yield(Object{}, fmt.Errorf("list the metadata store: %w", err))
			return
		}
		folder, isFolder := strings.CutSuffix(entry.Name, "/")
		switch {
		case folder == blobsPrefix && m.blobs == m.metadata:
		case isFolder:
			if !m.below(ctx, m.metadata, folder, after, yield) {
				return
			}
		case folder > after && !yield(ParseKey(folder), nil):
			return
		}
	}
}
