package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxTexts bounds how many errors and warnings a report tells one by one.
const maxTexts = 100

// Outcome is how a run ended.
type Outcome string

// The outcomes.
const (
	Done        Outcome = "done"
	Failed      Outcome = "failed"      // some of it; the next run does the rest
	Refused     Outcome = "refused"     // the plan was not carried out
	Interrupted Outcome = "interrupted" // the next run goes on
)

// Report is what a run did.
type Report struct {
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	By       string    `json:"by,omitempty"`
	DryRun   bool      `json:"dry_run"`
	Only     string    `json:"only,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	Problem  string    `json:"problem,omitempty"` // why it did not end well
	Removed  Tally     `json:"removed"`           // tags, by retention
	Uploads  Tally     `json:"uploads"`           // expired ones that were ended
	Revived  Tally     `json:"revived"`
	Freed    Tally     `json:"freed"`             // destroyed
	Finished Tally     `json:"finished,omitzero"` // what deletes that were killed left behind
	Awaiting Tally     `json:"condemned"`
	Busy     Tally     `json:"busy,omitzero"` // not condemned, because the upload that it came by is still open
	Totals   Totals    `json:"totals"`

	ErrorCount   int      `json:"error_count"`
	Errors       []string `json:"errors,omitempty"`
	WarningCount int      `json:"warning_count"`
	Warnings     []string `json:"warnings,omitempty"`

	Plan        *Plan       `json:"plan,omitempty"`
	Explanation []Explained `json:"explanation,omitempty"`
}

func (r *Report) finish(now time.Time, err error) {
	slices.Sort(r.Warnings) // several things are done at once
	r.Seconds = now.Sub(r.Started).Seconds()
	r.Totals = r.Plan.Totals
	var refused *RefusedError
	switch {
	case err == nil:
		r.Outcome = Done
		return
	case errors.As(err, &refused):
		r.Outcome = Refused
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		r.Outcome = Interrupted
	default:
		r.Outcome = Failed
	}
	r.Problem = err.Error()
	if r.Outcome != Interrupted && r.ErrorCount == 0 {
		r.ErrorCount = 1
	}
}

// fail notes an error of the run, which goes on.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.ErrorCount++
	if len(r.report.Errors) < maxTexts {
		r.report.Errors = append(r.report.Errors, err.Error())
	}
}

// warn notes what is not wrong but should be known.
func (r *run) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.WarningCount++
	if len(r.report.Warnings) < maxTexts {
		r.report.Warnings = append(r.report.Warnings, text)
	}
}

// keepReport stores what a run did, for status and metrics.
func (c *Collector) keepReport(ctx context.Context, report *Report) error {
	short := *report
	short.Plan, short.Explanation = nil, nil
	text, err := json.Marshal(short)
	if err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	return c.registry.KeepReport(ctx, append(text, '\n'))
}

// LastReport is the report of the last run that was not dry, nil if there was none.
func (c *Collector) LastReport(ctx context.Context) (*Report, error) {
	text, err := c.registry.Report(ctx)
	if err != nil || text == nil {
		return nil, err
	}
	var report Report
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("read report of the collector: %w", err)
	}
	return &report, nil
}
