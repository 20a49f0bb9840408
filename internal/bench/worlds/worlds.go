// Package worlds makes the stores that a collector is measured on: a million blobs in minutes, the
// same content in sreg's layout and in the Docker registry's.
// It promises that a World is the same content each time, byte for byte, that both registries take the
// folders for their own, and that its Stock is exact.
// It must not know what is measured, nor push anything: it writes files.
package worlds

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// World says what a store holds.
type World struct {
	// Blobs counts configs, layers and garbage. A manifest is no blob here.
	Blobs int
	// Manifests counts images, indexes of images, and artifacts that refer to an image.
	Manifests int
	// Namespaces share everything else evenly.
	Namespaces int
	// Garbage is the share of the blobs that no manifest names, as deleted images leave them behind:
	// linked in one namespace, and in vain.
	Garbage float64
	// Untagged is the share of the images that neither a tag nor an index names.
	Untagged float64
	// Seed makes the content of one world differ from that of another.
	Seed uint64
	// At is when everything was written: the newest manifest then, each other one a minute before the
	// next. The zero time is a moment of the year 2026.
	At time.Time
}

// Sized is a world of the usual proportions: twenty blobs to a manifest, fifty manifests to a
// namespace, a fifth of the blobs garbage and a tenth of the images untagged.
func Sized(blobs int) World {
	manifests := max(blobs/20, 1)
	return World{
		Blobs: blobs, Manifests: manifests, Namespaces: max(manifests/50, 1),
		Garbage: 0.2, Untagged: 0.1,
	}
}

// Validate refuses a world that cannot be.
func (w World) Validate() error {
	var errs []error
	if w.Namespaces < 1 || w.Manifests < w.Namespaces {
		errs = append(errs, fmt.Errorf("want a namespace, and a manifest for each, got %d and %d", w.Namespaces, w.Manifests))
	}
	if w.Garbage < 0 || w.Garbage > 1 || w.Untagged < 0 || w.Untagged > 1 {
		errs = append(errs, fmt.Errorf("want shares from 0 to 1, got %g garbage and %g untagged", w.Garbage, w.Untagged))
	}
	// Each image has a config of its own and each artifact a layer, and shares are rounded.
	if need := w.Manifests + w.bases() + 3*w.Namespaces + 1; float64(w.Blobs)*(1-w.Garbage) < float64(need) {
		errs = append(errs, fmt.Errorf("want %d blobs that are no garbage, got %d blobs of which %g are", need, w.Blobs, w.Garbage))
	}
	return errors.Join(errs...)
}

// Stock is what was written.
type Stock struct {
	Blobs, Garbage      int // the garbage is among the blobs
	Manifests, Untagged int // so are the untagged images among the manifests
	Links               int // of blobs in namespaces
	Tags                int
	Referrers           int
	Namespaces          int
}

func (s *Stock) add(other Stock) {
	s.Blobs += other.Blobs
	s.Garbage += other.Garbage
	s.Manifests += other.Manifests
	s.Untagged += other.Untagged
	s.Links += other.Links
	s.Tags += other.Tags
	s.Referrers += other.Referrers
	s.Namespaces += other.Namespaces
}

// WriteSreg makes the world as a store of sreg, in a folder that is empty or not there.
func (w World) WriteSreg(ctx context.Context, dir string) (Stock, error) {
	layout, err := newSreg(ctx, dir, w.at())
	if err != nil {
		return Stock{}, fmt.Errorf("make a world in %s: %w", dir, err)
	}
	return w.write(ctx, dir, layout)
}

// WriteDocker makes it as a store of the Docker registry.
func (w World) WriteDocker(ctx context.Context, dir string) (Stock, error) {
	return w.write(ctx, dir, docker{folder{dir, w.at()}})
}

func (w World) at() time.Time {
	if w.At.IsZero() {
		return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	return w.At.UTC().Truncate(time.Second)
}

// write fills the namespaces, several at once: what one of them holds follows from its plan alone.
func (w World) write(ctx context.Context, dir string, to layout) (Stock, error) {
	if err := w.Validate(); err != nil {
		return Stock{}, fmt.Errorf("make a world: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	plans, shared := w.plans()
	total, err := w.writeShared(shared, to)
	if err != nil {
		return total, fmt.Errorf("make a world in %s: %w", dir, err)
	}
	var (
		next atomic.Int64
		mu   sync.Mutex // guards total
		wg   sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { // ends when no namespace is left, or one fails
			for i := next.Add(1) - 1; i < int64(len(plans)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				wrote, err := w.writeNamespace(plans[i], shared.bases, to)
				if err != nil {
					cancel(fmt.Errorf("namespace %s: %w", plans[i].name, err))
					return
				}
				mu.Lock()
				total.add(wrote)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return total, fmt.Errorf("make a world in %s: %w", dir, context.Cause(ctx))
	}
	return total, nil
}

// plan is what one namespace gets.
type plan struct {
	name                       string
	images, indexes, artifacts int
	untagged                   int
	own, garbage               int // blobs
	firstImage                 int // numbers over the whole world
	firstBlob                  int
	firstManifest              int
}

// shared are the blobs that belong to no namespace alone.
type shared struct {
	bases int  // layers that images of all namespaces begin with
	empty bool // the config of all artifacts, if there are any
}

func (s shared) blobs() int {
	if s.empty {
		return s.bases + 1
	}
	return s.bases
}

// plans deals everything out, so that the sums are exact.
func (w World) plans() ([]plan, shared) {
	common := shared{bases: w.bases()}
	for k := range w.Namespaces {
		_, manifests := deal(w.Manifests, w.Namespaces, k)
		common.empty = common.empty || artifacts(manifests) > 0
	}
	var plans []plan
	image, blob := 0, common.blobs()
	for k := range w.Namespaces {
		firstManifest, manifests := deal(w.Manifests, w.Namespaces, k)
		_, blobs := deal(w.Blobs-common.blobs(), w.Namespaces, k)
		p := plan{
			name:    fmt.Sprintf("team%02d/app%05d", k%50, k),
			indexes: manifests / 20, artifacts: artifacts(manifests),
			garbage:    int(math.Round(w.Garbage * float64(blobs))),
			firstImage: image, firstBlob: blob, firstManifest: firstManifest,
		}
		p.images = manifests - p.indexes - p.artifacts
		p.own = blobs - p.garbage
		p.untagged = min(int(math.Round(w.Untagged*float64(p.images))), p.images-p.children()-1)
		plans = append(plans, p)
		image += p.images
		blob += blobs
	}
	return plans, common
}

// bases are few enough that each is in some image.
func (w World) bases() int { return max(1, min(w.Blobs/500, w.Manifests/20)) }

func artifacts(manifests int) int { return manifests / 10 }

// children are the images that an index names, two each.
func (p plan) children() int { return 2 * p.indexes }

// deal is the k-th of the even parts of a total: where it begins, and how long it is.
func deal(total, parts, k int) (first, n int) {
	first = k * total / parts
	return first, (k+1)*total/parts - first
}
