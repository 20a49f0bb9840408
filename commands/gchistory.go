package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// gcHistory are the flags of sreg gc history.
type gcHistory struct {
	source source
	output format
}

func newGCHistory(io IO) *cobra.Command {
	var opts gcHistory
	cmd := &cobra.Command{
		Use:   "history NAME:TAG",
		Short: "Show what a tag has stood for",
		Long: "Show what a tag stands for and has stood for, the last value first: since when, by whom, and\n" +
			"whether it is removed, can be restored or is lost. A tag keeps its ten former values." + exitCodes,
		Example: "  sreg gc history team/app:v1\n  sreg gc history team/app:v1 -o json",
		Args:    one("reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runGCHistory(cmd.Context(), io, opts, args[0], time.Now())
		},
	}
	opts.source.addFlags(cmd)
	cmd.ValidArgsFunction = firstFrom(fromStore(io, &opts.source, tags))
	addOutputFlag(cmd, &opts.output)
	return cmd
}

// historyRow is what is shown of one value of a tag.
type historyRow struct {
	Digest     oci.Digest `json:"digest"`
	MediaType  string     `json:"media_type"`
	Bytes      int64      `json:"bytes"` // of the manifest
	PushedAt   time.Time  `json:"pushed_at"`
	By         string     `json:"by,omitempty"`
	Current    bool       `json:"current"`
	Restorable bool       `json:"restorable"`
	RemovedAt  *time.Time `json:"removed_at,omitempty"`
	RemovedBy  string     `json:"removed_by,omitempty"`
	Why        string     `json:"why,omitempty"`
}

func newHistoryRow(value registry.PastValue) historyRow {
	row := historyRow{
		Digest: value.Digest, MediaType: value.MediaType, Bytes: value.Size, PushedAt: value.PushedAt, By: value.By,
		Current: value.Current, Restorable: value.Restorable,
	}
	if value.Removed != nil {
		row.RemovedAt, row.RemovedBy, row.Why = &value.Removed.At, value.Removed.By, value.Removed.Why
	}
	return row
}

func runGCHistory(ctx context.Context, io IO, opts gcHistory, text string, now time.Time) (err error) {
	ref, err := parseStoreRef(text)
	if err != nil {
		return err
	}
	if ref.Tag.IsZero() || !ref.Digest.IsZero() {
		return &usageError{message: fmt.Sprintf("reference %q names no tag", text), hint: "want NAME:TAG"}
	}
	store, err := openStore(ctx, io, opts.source)
	if err != nil {
		return err
	}
	defer store.close(&err)
	history, err := store.Maintenance.History(ctx, ref.Namespace, ref.Tag)
	if errors.Is(err, registry.ErrManifestUnknown) {
		return hintedError{err, "the tag was never there, or its trash is emptied"}
	}
	if err != nil {
		return err
	}
	var rows []historyRow
	for _, value := range history {
		rows = append(rows, newHistoryRow(value))
	}
	return io.printHistory(ref, rows, opts.output, now)
}

func (io IO) printHistory(ref storeRef, rows []historyRow, output format, now time.Time) error {
	err := printRows(io, output, rows, []string{"DIGEST", "PUSHED", "BY", "STATE"}, func(row historyRow) []string {
		return []string{row.Digest.String(), io.when(row.PushedAt, now), row.By, io.stateOf(row, now)}
	})
	if err != nil || output == formatJSON {
		return err
	}
	older := slices.IndexFunc(rows, func(row historyRow) bool { return row.Restorable && !row.Current })
	if io.OutIsTerminal && older >= 0 {
		ref.Digest = rows[older].Digest
		fmt.Fprintln(io.Err, "hint: sreg gc restore "+ref.String())
	}
	return nil
}

// stateOf says what has become of a value.
func (io IO) stateOf(row historyRow, now time.Time) string {
	state := "former"
	switch {
	case row.Current:
		state = "current"
	case row.RemovedAt != nil:
		state = "removed " + io.when(*row.RemovedAt, now)
		if row.RemovedBy != "" {
			state += " by " + row.RemovedBy
		}
		if row.Why != "" {
			state += ": " + row.Why
		}
	}
	if !row.Restorable {
		state += ", lost"
	}
	return state
}
