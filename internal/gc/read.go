package gc

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// countTags counts those of a namespace that is not looked at further: what goes is compared with all that
// there is, also when only a part of it was judged.
func (r *run) countTags(ctx context.Context, ns oci.Name) error {
	for _, err := range readable(r, r.registry.Tags(ctx, ns)) {
		if err != nil {
			return err
		}
		r.plan.Totals.Tags++
	}
	return nil
}

// readMarkers finds the words of clients who took blobs away.
func (r *run) readMarkers(ctx context.Context, ns oci.Name) (markers []registry.Marker, err error) {
	for d, err := range readable(r, r.registry.Markers(ctx, ns)) {
		if err != nil {
			return nil, err
		}
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
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
	// They are read in whatever order; numbered in this one a plan comes out the same each time.
	for _, d := range wanted {
		g.node(d)
	}
	return r.readEach(ctx, g.ns, wanted, func(stored *registry.Manifest, names oci.Manifest) {
		g.add(stored, names)
		g.nodes[g.index[stored.Digest]].since = since[stored.Digest]
		r.seen(stored.PushedAt, g.ns, registry.Image{Digest: stored.Digest})
	})
}

// readEach reads manifests, several at a time, and takes them in one at a time. One that went away
// meanwhile is none.
func (r *run) readEach(ctx context.Context, ns oci.Name, wanted []oci.Digest, take func(*registry.Manifest, oci.Manifest)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.config.Concurrency)
	var mu sync.Mutex // guards take and the plan
	for _, d := range wanted {
		if err := r.wait(ctx); err != nil {
			// What could not be read ended ctx, and is the cause; else it is the caller's end.
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
				return r.damage(err)
			}
			r.phase.add(1, int64(len(stored.Content)))
			take(stored, names)
			return nil
		})
	}
	return group.Wait()
}

// seen notes the newest time of all records: a clock that is far behind it is wrong.
func (r *run) seen(at time.Time, ns oci.Name, image registry.Image) {
	if at.After(r.newest.PushedAt) || at.Equal(r.newest.PushedAt) && !image.Tag.IsZero() {
		image.PushedAt = at
		r.newest.Image, r.newest.namespace = image, ns
	}
}

// referrerTag is a tag by which clients without the referrers API bind a manifest to its subject (spec:
// Referrers Tag Schema), and cosign its signatures.
var referrerTag = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64,128})(\.[a-z]+)?$`)

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
			if err := r.damage(err); err != nil {
				return err
			}
			continue
		}
		r.phase.add(1, 0)
		r.seen(stored.PushedAt, g.ns, registry.Image{Tag: name})
		r.plan.Totals.Tags++
		i := g.node(stored.Digest)
		subject := g.subjectOf(name)
		if subject == i {
			subject = -1 // it stands for what it names, as some tools hold an image: no referrer, rules judge it
		}
		// A tag that follows a subject judges nothing: without another one the rules are asked about a
		// manifest without a tag.
		g.nodes[i].tagged = g.nodes[i].tagged || subject < 0
		g.tags = append(g.tags, tagEdge{stored: stored, node: i, subject: subject, keep: true})
	}
	return nil
}

// subjectOf is the manifest that a tag belongs to by its name, -1 if there is none.
func (g *graph) subjectOf(tag oci.Tag) int {
	parts := referrerTag.FindStringSubmatch(tag.String())
	if parts == nil {
		return -1
	}
	d, err := oci.ParseDigest(parts[1] + ":" + parts[2])
	if err != nil {
		return -1
	}
	if i, known := g.index[d]; known && g.nodes[i].there {
		return i
	}
	return -1
}
