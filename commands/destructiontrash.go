package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// removedThing is an entry of the trash without its content, and what it names.
type removedThing struct {
	registry.TrashEntry
	names []oci.Digest
}

// trashOf reads the trash of a namespace, the oldest entry first.
func (d *destruction) trashOf(ctx context.Context, ns oci.Name) (trash []removedThing, err error) {
	for entry, err := range d.m.Trash(ctx, ns) {
		if err != nil {
			return nil, err
		}
		if entry.Namespace != ns {
			continue
		}
		thing := removedThing{entry, namedBy(entry.Names)}
		thing.Content, thing.Names = nil, oci.Manifest{}
		trash = append(trash, thing)
	}
	return trash, nil
}

// namedBy are the blobs and manifests that a manifest names.
func namedBy(m oci.Manifest) (all []oci.Digest) {
	if m.Config != nil {
		all = append(all, m.Config.Digest)
	}
	for _, list := range [][]oci.Descriptor{m.Layers, m.Manifests} {
		for _, one := range list {
			all = append(all, one.Digest)
		}
	}
	return all
}

// names is what a manifest names that the namespace holds, or else had when it was removed last. A blob names nothing.
func (d *destruction) names(ctx context.Context, ns oci.Name, digest oci.Digest, trash map[oci.Digest][]oci.Digest) ([]oci.Digest, error) {
	stored, err := d.m.Manifest(ctx, ns, digest)
	if errors.Is(err, registry.ErrGone) {
		return trash[digest], nil
	}
	if err != nil {
		return nil, err
	}
	names, err := stored.Names()
	return namedBy(names), err
}

// namesIn is what each manifest of the trash names.
func namesIn(trash []removedThing) map[oci.Digest][]oci.Digest {
	names := map[oci.Digest][]oci.Digest{}
	for _, thing := range trash {
		if thing.Kind == registry.KindManifest {
			names[thing.Digest] = thing.names
		}
	}
	return names
}

// isAbout tells whether a trash entry is one of a chosen thing, or of a tag that was named by itself or with all tags of
// its manifest.
func (d *destruction) isAbout(entry removedThing) bool {
	if entry.Kind == registry.KindTag {
		return d.named[entry.Digest] && (d.ref.Tag.IsZero() || d.ref.Tag == entry.Tag)
	}
	return d.chosen.Digests[entry.Namespace][entry.Digest]
}

// findNeeded finds what of the chosen things of a namespace other things need, which are there or can be restored, and
// returns its trash.
func (d *destruction) findNeeded(ctx context.Context, ns oci.Name) ([]removedThing, error) {
	needed := needs{chosen: d.chosen.Digests[ns], why: map[oci.Digest]string{}}
	// Before the trash: what is deleted meanwhile is in the trash then.
	if err := d.needLive(ctx, ns, &needed); err != nil {
		return nil, err
	}
	trash, err := d.trashOf(ctx, ns)
	if err != nil {
		return nil, err
	}
	d.needRemoved(trash, &needed)
	removed := namesIn(trash)
	for len(needed.next) > 0 {
		digest := needed.next[0]
		needed.next = needed.next[1:]
		names, err := d.names(ctx, ns, digest, removed)
		if err != nil {
			return nil, err
		}
		needed.add(fmt.Sprintf("manifest %s names it", digest), names...)
	}
	d.needed[ns] = needed.why
	return trash, nil
}

// keepNeeded notes the manifests of a trash that stay in it, because something else needs them.
func (d *destruction) keepNeeded(ns oci.Name, trash []removedThing) {
	for _, entry := range trash {
		if _, needs := d.needed[ns][entry.Digest]; needs && entry.Kind == registry.KindManifest && d.isAbout(entry) {
			d.kept = append(d.kept, registry.Object{Kind: registry.KindManifest, Namespace: ns, Digest: entry.Digest})
		}
	}
}

// dropTrash takes out of the trash of a namespace what could bring something back. What other things need must be
// restorable, too.
func (d *destruction) dropTrash(ctx context.Context, ns oci.Name, trash []removedThing) error {
	d.keepNeeded(ns, trash)
	for _, entry := range trash {
		if _, needs := d.needed[ns][entry.Digest]; !d.isAbout(entry) || needs && entry.Kind != registry.KindTag {
			continue
		}
		if err := d.m.DropTrash(ctx, entry.TrashEntry); err != nil {
			return err
		}
	}
	return nil
}

// needLive finds what the tags and manifests of a namespace need that do not go.
func (d *destruction) needLive(ctx context.Context, ns oci.Name, needed *needs) error {
	for tag, err := range d.m.Tags(ctx, ns) {
		if err != nil {
			return err
		}
		stored, err := d.m.Tag(ctx, ns, tag)
		if errors.Is(err, registry.ErrGone) {
			continue
		}
		if err != nil {
			return err
		}
		if d.planned && slices.Contains(d.tags, storeRef{ns, tag, stored.Digest}) {
			continue // it goes before
		}
		needed.add(fmt.Sprintf("tag %s stands for it", tag), stored.Digest)
	}
	for digest, err := range d.m.Revisions(ctx, ns) {
		if err != nil {
			return err
		}
		if needed.chosen[digest] {
			continue
		}
		names, err := d.names(ctx, ns, digest, nil)
		if err != nil {
			return err
		}
		needed.add(fmt.Sprintf("manifest %s names it", digest), names...)
	}
	return nil
}

// needRemoved finds what the tags and manifests of the trash need that can be restored afterwards, too.
func (d *destruction) needRemoved(trash []removedThing, needed *needs) {
	for _, thing := range trash {
		switch {
		case d.isAbout(thing):
		case thing.Kind == registry.KindTag:
			needed.add(fmt.Sprintf("tag %s stood for it, and can be restored", thing.Tag), thing.Digest)
		case thing.Kind == registry.KindManifest:
			needed.add(fmt.Sprintf("manifest %s names it, and can be restored", thing.Digest), thing.names...)
		}
	}
}

// needs is what of the chosen things of a namespace something else needs, and why.
type needs struct {
	chosen map[oci.Digest]bool
	why    map[oci.Digest]string
	next   []oci.Digest // what they name is not looked at yet
}

func (n *needs) add(why string, digests ...oci.Digest) {
	for _, digest := range digests {
		if _, known := n.why[digest]; known || !n.chosen[digest] {
			continue
		}
		n.why[digest] = why
		n.next = append(n.next, digest)
	}
}
