package scrub

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// item is one object to look at.
type item struct {
	registry.Object
	condemned  bool
	first      bool // the first of its namespace that needs an entry in the catalog
	recordOnly bool // look at the record itself, and not yet at what it names
	ticket     *ticket
}

// result is what was found at one object.
type result struct {
	findings []Finding
	bytes    int64 // hashed
}

// part walks a part of the stores. The workers end when the walk has, or with the first failure.
func (s *scrubber) part(ctx context.Context, part registry.Part) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	items := make(chan item)
	var workers sync.WaitGroup
	for range s.opts.Concurrency {
		workers.Go(func() {
			for one := range items {
				if err := s.look(ctx, one); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := s.walk(ctx, part, items)
	close(items)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// walk hands out the objects of a part in the order of their keys, from where the run came to.
func (s *scrubber) walk(ctx context.Context, part registry.Part, items chan<- item) error {
	var named oci.Name
	for o, err := range s.objects(ctx, part) {
		if err != nil {
			return err
		}
		one := item{Object: o, condemned: part == registry.PartCondemned, recordOnly: part == partRecords}
		if !one.recordOnly && (o.Kind == registry.KindManifest || o.Kind == registry.KindTag) && o.Namespace != named {
			one.first, named = true, o.Namespace
		}
		if one.ticket, err = s.run.start(ctx, o.Key()); err != nil {
			return err
		}
		select {
		case items <- one:
		case <-ctx.Done():
			return ctx.Err()
		}
		if part != registry.PartCondemned && time.Since(s.run.saved) > s.opts.SaveEvery {
			if err := s.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scrubber) objects(ctx context.Context, part registry.Part) iter.Seq2[registry.Object, error] {
	if !s.opts.Repository.IsZero() {
		return s.reg.ObjectsOf(ctx, s.opts.Repository, s.run.state.Last)
	}
	if part == partRecords {
		part = registry.PartMetadata
	}
	return s.reg.Objects(ctx, part, s.run.state.Last)
}

// look checks one object and notes what it found. That it cannot be read is a finding, too, unless the run was
// interrupted.
func (s *scrubber) look(ctx context.Context, one item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var found result
	if !one.ticket.done {
		var err error
		found, err = s.check(ctx, one)
		if cause := ctx.Err(); cause != nil {
			return cause
		}
		if err != nil {
			f := newFinding(CodeUnreadable, one.Object)
			f.Problem = err.Error()
			found.findings = append(found.findings, f)
		}
	}
	if one.recordOnly {
		// The part that follows finds what was not repaired. Blobs of one repository are hashed only here.
		found.findings = slices.DeleteFunc(found.findings, func(f Finding) bool {
			return f.Repaired == "" && f.Code != CodeCorruptBlob && one.Kind != registry.KindLink
		})
	}
	s.run.finish(one, found)
	s.show(one.Object)
	return nil
}

// showEvery is how often progress is reported, at most.
const showEvery = 100 * time.Millisecond

func (s *scrubber) show(at registry.Object) {
	if s.opts.Progress == nil {
		return
	}
	s.run.mu.Lock()
	defer s.run.mu.Unlock() // Progress is called by one at a time
	if time.Since(s.run.shown) < showEvery {
		return
	}
	s.run.shown = time.Now()
	progress := Progress{Phase: string(s.run.state.Part), Bytes: s.run.state.Report.Bytes}
	for _, n := range s.run.state.Report.Objects {
		progress.Objects += n
	}
	if s.run.state.Part == registry.PartBlobs {
		progress.Share = position(at.Digest)
	}
	s.opts.Progress(progress)
}

// position is how many of all blobs come before one: digests are spread evenly, and the walk is in their order. It is 0
// for a digest of another algorithm than that of nearly all blobs.
func position(d oci.Digest) float64 {
	if d.IsZero() || d.Algorithm() != oci.SHA256 {
		return 0
	}
	first, err := strconv.ParseUint(d.Hex()[:8], 16, 32)
	if err != nil {
		return 0
	}
	return float64(first) / (1 << 32)
}
