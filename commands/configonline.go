package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/snapshot"
)

// checkedJSON is one check as JSON.
type checkedJSON struct {
	Key          string   `json:"key"`
	Where        string   `json:"where"`
	Did          string   `json:"did"`
	OK           bool     `json:"ok"`
	Error        string   `json:"error,omitempty"`
	Notes        []string `json:"notes"`
	Milliseconds int64    `json:"milliseconds"`
}

// checkOnline checks the services that the config names, and prints a line for each. A check that failed is an error of
// the command, and no mistake in the config: the service may be at fault.
func (io IO) checkOnline(ctx context.Context, cfg *config.Config, output format) error {
	checked := snapshot.CheckOnline(ctx, cfg)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := io.printChecked(checked, output); err != nil {
		return err
	}
	var failed []string
	for _, s := range checked {
		if s.Err != nil {
			failed = append(failed, s.Key)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d do not answer as they should: %s", len(failed), len(checked), strings.Join(failed, ", "))
	}
	return nil
}

func (io IO) printChecked(checked []snapshot.Checked, output format) error {
	if output == formatJSON {
		list := make([]checkedJSON, len(checked))
		for i, s := range checked {
			list[i] = checkedJSON{
				Key: s.Key, Where: s.Where, Did: s.Did, OK: s.Err == nil, Error: textOf(s.Err),
				Notes: append([]string{}, s.Notes...), Milliseconds: s.Took.Milliseconds(),
			}
		}
		return io.printJSON(list)
	}
	rows := [][]string{{"RESULT", "KEY", "WHERE", "TIME", "WHAT"}}
	for _, s := range checked {
		result, what := "ok", s.Did
		if s.Err != nil {
			result, what = "failed", textOf(s.Err)
		}
		if len(s.Notes) > 0 {
			what += "; " + strings.Join(s.Notes, "; ")
		}
		rows = append(rows, []string{result, s.Key, s.Where, s.Took.Round(time.Millisecond).String(), what})
	}
	return io.printTable(rows)
}
