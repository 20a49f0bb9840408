package gc

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sreg-project/sreg/internal/registry"
)

// Scheduler runs a collector at the times of its config, each up to its jitter later. Another collector may take
// its place at any time: if its schedule is the same, the next run is at the same time.
type Scheduler struct {
	// Current lends the collector, until release is called.
	Current func() (c *Collector, release func())
	// Changed has something to receive when the collector is another one.
	Changed <-chan struct{}
	// Holder is told to whoever wants to collect meanwhile.
	Holder string
	Logger *slog.Logger
}

// timetable is when a collector runs.
type timetable struct {
	schedule string
	jitter   time.Duration
}

// Run goes by the schedule until ctx ends, which also ends a run that is under way. An instance that comes late
// finds the stores taken, and leaves that time to the one that has them.
func (s Scheduler) Run(ctx context.Context) {
	var now timetable
	var due <-chan time.Time // never, without a schedule
	for {
		collector, release := s.Current()
		if is := (timetable{collector.config.Schedule, collector.config.Jitter}); is != now {
			now, due = is, s.next(ctx, collector)
		}
		release()
		select {
		case <-ctx.Done():
			return
		case <-s.Changed:
		case <-due:
			s.run(ctx)
			now = timetable{}
		}
	}
}

// next is the next time of a collector's schedule.
func (s Scheduler) next(ctx context.Context, c *Collector) <-chan time.Time {
	if c.config.Schedule == "" {
		return nil
	}
	schedule, err := ParseSchedule(c.config.Schedule)
	if err != nil {
		s.Logger.ErrorContext(ctx, "collector not scheduled", "error", err)
		return nil
	}
	now := c.now()
	return time.After(schedule.Next(now).Sub(now) + c.jitter())
}

func (s Scheduler) run(ctx context.Context) {
	collector, release := s.Current()
	defer release()
	collector.scheduled(ctx, s.Holder, s.Logger)
}

func (c *Collector) jitter() time.Duration {
	if c.config.Jitter <= 0 {
		return 0
	}
	return rand.N(c.config.Jitter)
}

// scheduled is one run by the schedule. Its outcome is logged.
func (c *Collector) scheduled(ctx context.Context, holder string, log *slog.Logger) {
	report, err := c.Run(ctx, RunOptions{Holder: holder})
	var claimed *registry.ClaimedError
	switch {
	case ctx.Err() != nil:
		return // the next run goes on
	case errors.As(err, &claimed):
		log.InfoContext(ctx, "collector runs elsewhere", "holder", claimed.Note)
		return
	case err != nil:
		var refused *RefusedError
		if errors.As(err, &refused) {
			log = log.With("hint", refused.Do)
		}
		log.ErrorContext(ctx, "collector failed", "error", err)
	}
	if report == nil {
		return
	}
	for _, warning := range report.Warnings {
		log.WarnContext(ctx, "collector warns", "warning", warning)
	}
	log.InfoContext(
		ctx, "collected", "outcome", string(report.Outcome), "seconds", report.Seconds, "tags_removed", report.Removed.Objects,
		"condemned", report.Awaiting.Objects, "destroyed", report.Freed.Objects, "freed_bytes", report.Freed.Bytes,
		"revived", report.Revived.Objects, "finished", report.Finished.Objects, "errors", report.ErrorCount, "warnings", report.WarningCount,
	)
}
