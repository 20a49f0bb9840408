// Package scrub verifies what lies in the stores: it hashes blobs and manifests again, follows what names
// what, and repairs what can be repaired.
// It promises that it changes nothing unless it was asked to, that what it repairs is no guess, that the
// last copy of nothing is ever deleted, and that it needs the same memory for a store of any size.
// It must not know how a store is laid out, nor which upstream a namespace has.
package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/time/rate"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Fetch opens a blob or a manifest of a namespace where it came from. Nothing that it gives is trusted.
type Fetch func(ctx context.Context, ns oci.Name, d oci.Digest) (io.ReadCloser, error)

// Options say what is verified, and how.
type Options struct {
	// Repair repairs what can be repaired. The caller is the one collector of the stores then.
	Repair bool
	// Quick hashes no blobs; manifests are hashed all the same, since they are read anyway.
	Quick bool
	// Repository limits it to a namespace, those below it and the blobs that they hold. Zero is all.
	Repository oci.Name
	// Restart starts from the beginning, also if the run before was interrupted.
	Restart bool
	// Rate is how many bytes a second are hashed; 0 is as many as it can.
	Rate int64
	// Concurrency is how many objects are looked at at the same moment; 0 is one.
	Concurrency int
	// Fetch gets back what is lost. If it is nil, nothing comes back.
	Fetch Fetch
	// CheckSecret says what is wrong with the content of a secret, and shows nothing of it. If it is nil, none is looked at.
	CheckSecret func(name registry.Secret, content []byte) error
	// Patience is how long the end of a run waits for pushes and deletes that are under way, before what they
	// have not done yet is a finding.
	Patience time.Duration
	// SaveEvery is how often the run saves how far it came; 0 is every five seconds.
	SaveEvery time.Duration
	// Progress is called with how far the run is, by one goroutine at a time, unless it is nil.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Phase   string
	Objects int64
	Bytes   int64   // hashed
	Share   float64 // of the phase, from 0 to 1; 0 while nobody knows
}

// scrubber is one run.
type scrubber struct {
	opts    Options
	reg     *registry.Maintenance
	limiter *rate.Limiter // nil: no limit
	run     *run
}

// Run verifies the stores. The report is there also when the run was interrupted; then the next run goes
// on from there. Others may push and delete meanwhile: what comes from that is no finding.
func Run(ctx context.Context, reg *registry.Maintenance, opts Options) (*Report, error) {
	if opts.Concurrency == 0 {
		opts.Concurrency = 1
	}
	if opts.SaveEvery == 0 {
		opts.SaveEvery = 5 * time.Second
	}
	s := &scrubber{opts: opts, reg: reg}
	if opts.Rate > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(opts.Rate), chunkSize)
	}
	state, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	s.run = newRun(state)
	err = s.parts(ctx)
	if err == nil {
		err = s.fetchManifests(ctx)
	}
	if err == nil {
		err = s.confirmAll(ctx)
	}
	report := &s.run.state.Report
	report.Ended = time.Now().UTC()
	report.sort()
	if err != nil {
		return report, errors.Join(err, s.keepInterrupted(ctx))
	}
	return report, s.forget(ctx)
}

// partRecords is a part of a repair before PartMetadata, over the same objects: it moves damaged records aside
// before the next part follows what names what.
const partRecords registry.Part = "records"

// phases are the parts of a run in their order. Blobs come first, so that a repair moves damaged ones aside before
// anything looks for them.
func (s *scrubber) phases() []registry.Part {
	var parts []registry.Part
	all := s.opts.Repository.IsZero()
	if all && !s.opts.Quick {
		parts = append(parts, registry.PartBlobs)
	}
	if s.opts.Repair {
		parts = append(parts, partRecords)
	}
	parts = append(parts, registry.PartMetadata)
	if all {
		parts = append(parts, registry.PartCondemned)
	}
	return parts
}

func (s *scrubber) parts(ctx context.Context) error {
	resumed := s.run.state.Part
	for _, part := range s.phases() {
		if resumed != "" && part != resumed {
			continue // done before the run was interrupted
		}
		if resumed == "" {
			s.run.begin(part)
		}
		resumed = ""
		if err := s.save(ctx); err != nil {
			return err
		}
		if err := s.part(ctx, part); err != nil {
			return fmt.Errorf("verify the %s: %w", part, err)
		}
	}
	return nil
}

// confirmEvery is how long confirmAll waits before it looks again.
const confirmEvery = 100 * time.Millisecond

// confirmAll looks once more at all findings, and drops what it does not find again: a push or a delete was under
// way. It repeats that until no transient finding is left, or Patience is over.
func (s *scrubber) confirmAll(ctx context.Context) error {
	patience := time.After(s.opts.Patience)
	for {
		transient, err := s.dropUnconfirmed(ctx)
		if err != nil || transient == 0 || s.opts.Patience == 0 {
			return err
		}
		select {
		case <-patience:
			return nil
		case <-time.After(confirmEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dropUnconfirmed looks once at each finding that was not repaired, and counts those that are still transient.
func (s *scrubber) dropUnconfirmed(ctx context.Context) (transient int, err error) {
	report := &s.run.state.Report
	kept := []Finding{}
	var gone []Finding
	for _, f := range report.Findings {
		still, err := s.confirm(ctx, f)
		if err != nil {
			return 0, err
		}
		if !still {
			gone = append(gone, f)
			continue
		}
		kept = append(kept, f)
		if f.transient() {
			transient++
		}
	}
	for _, f := range gone {
		report.count(f, -1)
	}
	report.Findings = kept
	return transient, nil
}

func (s *scrubber) confirm(ctx context.Context, f Finding) (bool, error) {
	if f.Repaired != "" {
		return true, nil
	}
	o := registry.ParseKey(f.Key)
	if f.Code == CodeCorruptBlob || f.Code == CodeUnreadable || f.Code == CodeMovedAside {
		return s.reg.Exists(ctx, o) // it was read twice already
	}
	look := &scrubber{opts: Options{Quick: true, CheckSecret: s.opts.CheckSecret}, reg: s.reg}
	now, err := look.check(ctx, item{Object: o, first: f.Code == CodeNoNamespace})
	if err != nil {
		return false, err
	}
	for _, one := range now.findings {
		if one.Code == f.Code && one.Names == f.Names {
			return true, nil
		}
	}
	return false, nil
}
