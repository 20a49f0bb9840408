package gc

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sreg-project/sreg/internal/registry"
)

// Schedule runs the collector at the times of the config, each up to its jitter later, until ctx ends. It
// returns at once if the config has no schedule. A replica that comes late finds the stores taken, and
// leaves that time to the one that has them.
func (c *Collector) Schedule(ctx context.Context, holder string, log *slog.Logger) {
	if c.config.Schedule == "" {
		return
	}
	schedule, err := ParseSchedule(c.config.Schedule)
	if err != nil {
		log.ErrorContext(ctx, "collector not scheduled", "error", err)
		return
	}
	for {
		next := schedule.Next(c.now())
		timer := time.NewTimer(next.Sub(c.now()) + c.jitter())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		c.scheduled(ctx, holder, log)
	}
}

func (c *Collector) jitter() time.Duration {
	if c.config.Jitter <= 0 {
		return 0
	}
	return rand.N(c.config.Jitter)
}

// scheduled is one run that nobody waits for: what became of it is logged.
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
	log.InfoContext(
		ctx, "collected", "outcome", string(report.Outcome), "seconds", report.Seconds, "tags_removed", report.Removed.Objects,
		"condemned", report.Awaiting.Objects, "destroyed", report.Freed.Objects, "freed_bytes", report.Freed.Bytes,
		"revived", report.Revived.Objects, "errors", report.ErrorCount, "warnings", report.WarningCount,
	)
}
