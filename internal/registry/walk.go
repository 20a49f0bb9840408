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

// Namespaces yields every namespace that has a tag, a revision or a link, or had one, in lexical order of
// its parts.
func (m *Maintenance) Namespaces(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		m.walkNamespaces(ctx, "", yield)
	}
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
			err = m.wholeNamespace(ctx, ns)
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

// wholeNamespace sees that what holds manifests, tags and referrers are folders: a listing of something else
// is empty, and they would look as if there were none.
func (m *Maintenance) wholeNamespace(ctx context.Context, ns oci.Name) error {
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

// errNoPlace is what damaged says of a name that the layout has no place for.
var errNoPlace = errors.New("no object of sreg has a name like that; move the file away if something else put it there")

// errNoFolder is what damaged says of a file in the place of a folder.
var errNoFolder = errors.New("it is a file, want a folder; restore the folder from a backup, or move the file away")

// Enrolled yields the namespaces of the catalog.
func (m *Maintenance) Enrolled(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for entry, err := range m.metadata.List(ctx, namespacesPrefix, storage.ListOptions{}) {
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
				if !yield(oci.Digest{}, damaged(joinKey(prefix, name), errNoPlace)) {
					return
				}
				continue
			}
			if !m.digestsOf(ctx, prefix, name, yield) {
				return
			}
		}
	}
}

// digestsOf lists those of one algorithm, and says whether to go on.
func (m *Maintenance) digestsOf(ctx context.Context, prefix, algorithm string, yield func(oci.Digest, error) bool) bool {
	folder := joinKey(prefix, algorithm)
	for entry, err := range m.metadata.List(ctx, folder, storage.ListOptions{}) {
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
func (m *Maintenance) Tags(ctx context.Context, ns oci.Name) iter.Seq2[oci.Tag, error] {
	return func(yield func(oci.Tag, error) bool) {
		prefix := tagsPrefix(ns)
		for entry, err := range m.metadata.List(ctx, prefix, storage.ListOptions{}) {
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
func (m *Maintenance) MovedAside(ctx context.Context) iter.Seq2[oci.Name, error] {
	return func(yield func(oci.Name, error) bool) {
		for entry, err := range m.metadata.List(ctx, corruptPrefix, storage.ListOptions{Deep: true}) {
			if err != nil {
				yield(oci.Name{}, fmt.Errorf("list what was moved aside: %w", err))
				return
			}
			_, key, _ := strings.Cut(entry.Name, "/")
			o := parseKey(key)
			if o.Kind != ObjectRevision && o.Kind != ObjectTag {
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

// ReferrerEntry says that a manifest is listed among the referrers of a subject.
type ReferrerEntry struct{ Subject, Referrer oci.Digest }

// ReferrerEntries yields all of a namespace.
func (m *Maintenance) ReferrerEntries(ctx context.Context, ns oci.Name) iter.Seq2[ReferrerEntry, error] {
	return func(yield func(ReferrerEntry, error) bool) {
		prefix := ns.String() + "/" + manifestsFolder + "/referrers"
		for entry, err := range m.metadata.List(ctx, prefix, storage.ListOptions{Deep: true}) {
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
func (m *Maintenance) Blobs(ctx context.Context) iter.Seq2[oci.Digest, error] {
	return func(yield func(oci.Digest, error) bool) {
		for entry, err := range m.blobs.List(ctx, blobsPrefix, storage.ListOptions{Deep: true}) {
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
