// Package gc is the collector: it finds what nothing in the stores needs any more, condemns it, and
// destroys what has been condemned for long enough.
// It promises that nothing which was promised to a client is ever destroyed, whoever pushes beside it and
// wherever it is stopped, and that it says why each thing stays or goes before it acts.
// It must not know how a store is laid out, nor how the rules of retention are written.
package gc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// Retention says which images of a namespace are kept.
type Retention interface {
	// Rules tells whether there is any rule for a namespace. Where there is none all is kept.
	Rules(ns oci.Name) bool
	// Decide asks the rules about all images of a namespace, and answers for each in the same order.
	Decide(ns oci.Name, now time.Time, images []registry.Image) []registry.Verdict
}

// RuleNamer is a Retention that can name the rules for a namespace.
type RuleNamer interface {
	Names(ns oci.Name) []string
}

// Options are what a Collector is made of.
type Options struct {
	Registry *registry.Maintenance
	// Retention may be nil: then all tags are kept.
	Retention Retention
	Config    Config
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Collector collects the stores of one registry. Its methods may be called by many goroutines; one run
// at a time has the stores.
type Collector struct {
	registry  *registry.Maintenance
	retention Retention
	config    Config
	maxDelete float64
	now       func() time.Time
}

// New makes a collector.
func New(opts Options) (*Collector, error) {
	share, err := ParseShare(opts.Config.MaxDelete)
	if err != nil {
		return nil, fmt.Errorf("gc.max_delete: %w", err)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Retention == nil {
		opts.Retention = keepAll{}
	}
	return &Collector{registry: opts.Registry, retention: opts.Retention, config: opts.Config, maxDelete: share, now: opts.Now}, nil
}

// keepAll is a Retention without rules.
type keepAll struct{}

func (keepAll) Rules(oci.Name) bool { return false }

func (keepAll) Decide(oci.Name, time.Time, []registry.Image) []registry.Verdict { return nil }

// Part is a part of a run that can be run alone.
type Part string

// The parts. Everything is all of them.
const (
	Everything    Part = ""
	RetentionPart Part = "retention"
	UploadsPart   Part = "uploads"
	CollectPart   Part = "collect"
)

func (p Part) includes(other Part) bool { return p == Everything || p == other }

// RunOptions say what one run does.
type RunOptions struct {
	// DryRun plans and changes nothing.
	DryRun bool
	Only   Part
	// Repository limits retention and uploads to a namespace and all below it; zero is all. What is
	// needed is always looked for everywhere.
	Repository oci.Name
	// MaxDelete is used instead of gc.max_delete, in percent, unless it is nil. 100 also says that all tags, or all
	// that a store without namespaces has, may go.
	MaxDelete *float64
	// Trash is used instead of gc.trash for how long what is condemned in Repository waits to be destroyed, unless
	// it is nil. What can still be restored by gc.trash is not destroyed all the same.
	Trash *time.Duration
	// Chosen is all that the run condemns and destroys, unless it is nil. Then Report.Explanation is about it.
	Chosen *Chosen
	// Explain is what Report.Explanation is to explain; nil is nothing.
	Explain *Target
	// Holder says who runs it, to others who want to collect at the same time.
	Holder string
	// Claimed says that the caller has claimed the stores already, with the context of the run.
	Claimed bool
	// Progress is called with how far the run is, by many goroutines.
	Progress func(Progress)
}

// Progress is how far a phase is.
type Progress struct {
	Phase   string
	Objects int64
	Bytes   int64
	Total   int64 // how many objects there are; 0 while nobody knows
}

// RefusedError says why a plan is not carried out.
type RefusedError struct{ Why, Do string }

func (e *RefusedError) Error() string { return "refused: " + e.Why }

// Hint says what to do about it.
func (e *RefusedError) Hint() string { return e.Do }

// ErrIncomplete says that some of a run failed; the report says what. The next run does the rest.
var ErrIncomplete = errors.New("not all could be collected")

// Run makes a plan and carries it out. The report is there also with most errors: a *RefusedError,
// ErrIncomplete, and the context's. A *registry.ClaimedError says who collects already.
func (c *Collector) Run(ctx context.Context, opts RunOptions) (*Report, error) {
	if !opts.DryRun {
		safe, err := c.besideWriters(ctx)
		if err != nil {
			return nil, err
		}
		c = safe
	}
	if !opts.DryRun && !opts.Claimed {
		held, release, err := c.registry.ClaimCollector(ctx, opts.Holder)
		if err != nil {
			return nil, err
		}
		defer release()
		ctx = held
	}
	r := c.newRun(opts)
	err := r.everything(ctx)
	r.report.finish(c.now(), err)
	if opts.DryRun {
		return r.report, err
	}
	return r.report, errors.Join(err, c.keepReport(context.WithoutCancel(ctx), r.report))
}

// besideWriters is the collector that can run now: one that others may write beside, if the stores honour
// conditional writes; else one that writes alone, because every registry on the stores is read-only.
func (c *Collector) besideWriters(ctx context.Context) (*Collector, error) {
	conditional, err := c.registry.ConditionalWrites(ctx)
	if err != nil || conditional {
		return c, err
	}
	if !c.registry.ReadOnly() {
		return nil, &RefusedError{
			Why: "the service of the store honours no conditional writes, and what somebody pushes meanwhile could be lost",
			Do:  "set registry.read_only of every sreg on this store and restart them; collect with the same config, then set it back",
		}
	}
	alone := *c
	alone.registry = c.registry.WhileReadOnly()
	return &alone, nil
}

// run is one run of the collector.
type run struct {
	*Collector
	opts     RunOptions
	began    time.Time
	trashFor time.Duration
	limiter  *rate.Limiter
	phase    *phase
	report   *Report
	plan     *Plan

	condemned   []registry.Condemned      // when the run began
	trash       map[oci.Name][]trashEntry // what can still be restored
	pending     map[oci.Name][]pending
	movedAside  map[oci.Name]bool // namespaces of which a repair moved a damaged manifest or tag aside
	blobs       digests           // of all blobs that any namespace names or holds
	needs       []need            // by their numbers in blobs
	namespaces  int               // how many were found
	unprotected bool              // what was restored goes as everything else does
	unexplained int64             // blobs that no namespace needs, and no link to them is condemned
	stalePulls  []oci.Name        // namespaces that have times of pulls of what is gone
	newest      struct {          // of all records
		registry.Image
		namespace oci.Name
	}

	mu        sync.Mutex          // guards the report and what is below
	changed   map[oci.Name]bool   // namespaces that have changed since the plan was made
	bytesKept map[oci.Digest]bool // blobs with a link that was to be condemned, and stays
}

// need says what an object is needed for.
type need uint8

const (
	// held: something live or pending names it, so it is revived and never destroyed.
	held need = 1 << iota
	// kept: something will still name it after this run, so it is not condemned.
	kept
	// awaited: it can still be restored, or something condemned names it, so it is not destroyed yet.
	awaited
	// unlinked: a run of the collector has condemned a link to it.
	unlinked
	// leftover: its bytes are live, and no namespace needs them.
	leftover
)

func (c *Collector) newRun(opts RunOptions) *run {
	limit := rate.Inf
	if c.config.Rate > 0 {
		limit = rate.Limit(c.config.Rate)
	}
	r := &run{
		Collector: c, opts: opts, began: c.now(), trashFor: c.config.Trash,
		limiter: rate.NewLimiter(limit, max(c.config.Rate/10, 1)),
		// Not nil, so that an empty list is [] in JSON and not null.
		plan: &Plan{
			Tags: []PlannedTag{}, Uploads: []PlannedUpload{}, Revive: []Planned{}, Destroy: []Planned{},
			Condemn: []Planned{}, Finish: []Unfinished{}, Problems: []string{},
		},
		pending: map[oci.Name][]pending{}, trash: map[oci.Name][]trashEntry{},
		movedAside: map[oci.Name]bool{}, changed: map[oci.Name]bool{}, bytesKept: map[oci.Digest]bool{},
	}
	if opts.Trash != nil {
		r.trashFor = *opts.Trash
	}
	r.report = &Report{Started: r.began.UTC(), By: opts.Holder, DryRun: opts.DryRun, Only: string(opts.Only), Plan: r.plan}
	return r
}

// everything does the steps of a run in the order that makes it safe. What is condemned is listed first, then
// the mark looks for what is needed; only what was on that list is destroyed; the run condemns last. So a mark
// that missed a push began before the second look of that push, which revived what it needs of that list.
func (r *run) everything(ctx context.Context) error {
	if r.opts.Only != UploadsPart {
		if err := r.mark(ctx); err != nil {
			return err
		}
		r.leaveOthers()
	}
	if r.opts.Only.includes(UploadsPart) {
		if err := r.planUploads(ctx); err != nil {
			return err
		}
	}
	if err := r.refuse(); err != nil {
		return err
	}
	if !r.opts.DryRun {
		if err := r.carryOut(ctx); err != nil {
			return err
		}
	}
	if r.report.ErrorCount > 0 {
		return fmt.Errorf("%w: %d errors", ErrIncomplete, r.report.ErrorCount)
	}
	return nil
}

func (r *run) carryOut(ctx context.Context) error {
	for _, step := range []struct {
		part Part
		do   func(context.Context) error
	}{
		{RetentionPart, r.removeTags},
		{UploadsPart, r.endUploads},
		{CollectPart, r.revive},
		{CollectPart, r.destroy},
		{CollectPart, r.condemn},
		{CollectPart, r.completeTags},
	} {
		if !r.opts.Only.includes(step.part) {
			continue
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}
