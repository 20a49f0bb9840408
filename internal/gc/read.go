package gc

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// countTags counts the tags of a namespace about which this run asks no rules: gc.max_delete is a share of all
// tags, also when only some may go.
func (r *run) countTags(ctx context.Context, ns oci.Name) error {
	for _, err := range readable(r, r.registry.Tags(ctx, ns)) {
		if err != nil {
			return err
		}
		r.plan.Totals.Tags++
	}
	return nil
}

// readMarkers reads the markers of the blobs that clients deleted from a namespace.
func (r *run) readMarkers(ctx context.Context, ns oci.Name) (markers []registry.Marker, err error) {
	for d, err := range readable(r, r.registry.Markers(ctx, ns)) {
		if err != nil {
			return nil, err
		}
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
		r.number(d)
		marker, err := r.registry.Marker(ctx, ns, d)
		if errors.Is(err, registry.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		markers = append(markers, marker)
	}
	return markers, nil
}

// readManifests takes in what is pending, then what is live, then what is condemned.
func (r *run) readManifests(ctx context.Context, g *graph, condemned []*registry.Condemned) error {
	for _, pending := range r.pending[g.ns] {
		g.addPending(pending)
	}
	var wanted []oci.Digest
	for d, err := range readable(r, r.registry.Revisions(ctx, g.ns)) {
		if err != nil {
			return err
		}
		r.plan.Totals.Manifests++
		wanted = append(wanted, d)
	}
	since := map[oci.Digest]time.Time{}
	for _, one := range condemned {
		if one.Kind == registry.KindManifest {
			wanted = append(wanted, one.Digest)
			since[one.Digest] = one.Since
		}
	}
	// They are read in no order. Numbered in this one, they make the same plan each time.
	for _, d := range wanted {
		g.node(d)
	}
	return r.readEach(ctx, g.ns, wanted, func(stored *registry.Manifest, names oci.Manifest) {
		g.add(stored, names)
		g.nodes[g.index[stored.Digest]].since = since[stored.Digest]
		r.noteNewest(stored.PushedAt, g.ns, registry.Image{Digest: stored.Digest})
	})
}

// readEach reads manifests, several at a time, and hands them to take, one at a time. It skips what is gone
// meanwhile.
func (r *run) readEach(ctx context.Context, ns oci.Name, wanted []oci.Digest, take func(*registry.Manifest, oci.Manifest)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.config.Concurrency)
	var mu sync.Mutex // guards take and the plan
	for _, d := range wanted {
		if err := r.wait(ctx); err != nil {
			// An error of a reader has ended ctx, and says why; without one the caller has.
			return cmp.Or(group.Wait(), err)
		}
		group.Go(func() error {
			var names oci.Manifest
			stored, err := r.registry.Manifest(ctx, ns, d)
			if err == nil {
				names, err = stored.Names()
			}
			if errors.Is(err, registry.ErrGone) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				return r.noteDamage(err)
			}
			r.phase.add(1, int64(len(stored.Content)))
			take(stored, names)
			return nil
		})
	}
	return group.Wait()
}

// noteNewest keeps the newest time of all records: refuse compares it with the clock.
func (r *run) noteNewest(at time.Time, ns oci.Name, image registry.Image) {
	if at.After(r.newest.PushedAt) || at.Equal(r.newest.PushedAt) && !image.Tag.IsZero() {
		image.PushedAt = at
		r.newest.Image, r.newest.namespace = image, ns
	}
}

func (r *run) readTags(ctx context.Context, g *graph) error {
	for name, err := range readable(r, r.registry.Tags(ctx, g.ns)) {
		if err != nil {
			return err
		}
		if err := r.wait(ctx); err != nil {
			return err
		}
		stored, err := r.registry.Tag(ctx, g.ns, name)
		if errors.Is(err, registry.ErrGone) {
			continue
		}
		if err != nil {
			if err := r.noteDamage(err); err != nil {
				return err
			}
			continue
		}
		r.phase.add(1, 0)
		r.noteNewest(stored.PushedAt, g.ns, registry.Image{Tag: name})
		r.plan.Totals.Tags++
		i := g.node(stored.Digest)
		subject := g.subjectOf(name)
		if subject == i {
			subject = -1 // the tag names its own manifest, as some tools tag an image: it is an ordinary tag
		}
		// The rules are not asked about a tag that belongs to a subject. A manifest with no other tag counts as
		// untagged, so that they are asked about that.
		g.nodes[i].tagged = g.nodes[i].tagged || subject < 0
		g.tags = append(g.tags, tagEdge{stored: stored, node: i, subject: subject, keep: true})
	}
	return nil
}

// subjectOf is the manifest that a tag belongs to by its name, -1 if there is none.
func (g *graph) subjectOf(tag oci.Tag) int {
	if i, known := g.index[registry.SubjectOf(tag)]; known && g.nodes[i].there {
		return i
	}
	return -1
}
