package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/snapshot"
)

// seenJSON is one look as machines get it.
type seenJSON struct {
	Key          string   `json:"key"`
	Where        string   `json:"where"`
	Did          string   `json:"did"`
	OK           bool     `json:"ok"`
	Error        string   `json:"error,omitempty"`
	Notes        []string `json:"notes"`
	Milliseconds int64    `json:"milliseconds"`
}

// lookOutside looks at what the config names outside, and prints a line for each. Something that failed is
// an error of the command, and no mistake of the config: it may be the other side's.
func (io IO) lookOutside(ctx context.Context, cfg *config.Config, output format) error {
	seen := snapshot.LookOutside(ctx, cfg)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := io.printSeen(seen, output); err != nil {
		return err
	}
	var failed []string
	for _, s := range seen {
		if s.Err != nil {
			failed = append(failed, s.Key)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d do not answer as they should: %s", len(failed), len(seen), strings.Join(failed, ", "))
	}
	return nil
}

func (io IO) printSeen(seen []snapshot.Seen, output format) error {
	if output == formatJSON {
		list := make([]seenJSON, len(seen))
		for i, s := range seen {
			list[i] = seenJSON{
				Key: s.Key, Where: s.Where, Did: s.Did, OK: s.Err == nil, Error: textOf(s.Err),
				Notes: append([]string{}, s.Notes...), Milliseconds: s.Took.Milliseconds(),
			}
		}
		return io.printJSON(list)
	}
	rows := [][]string{{"RESULT", "KEY", "WHERE", "TIME", "WHAT"}}
	for _, s := range seen {
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
