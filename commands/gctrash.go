package commands

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// gcTrash are the flags of sreg gc trash.
type gcTrash struct {
	source     source
	repository oci.Name
	output     format
}

func newGCTrash(io IO) *cobra.Command {
	var opts gcTrash
	cmd := &cobra.Command{
		Use:   "trash",
		Short: "List what was removed and can be restored",
		Long: "List what clients and retention have removed: what, how large it is, when, by whom, why, and\n" +
			"until when it can be restored, which is gc.trash after its removal. The size of a manifest is\n" +
			"with all that it names; others may need that, too." + exitCodes,
		Example: "  sreg gc trash\n  sreg gc trash --repository team -o json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGCTrash(cmd.Context(), io, opts, time.Now()) },
	}
	opts.source.addFlags(cmd)
	repositoryFlag(io, &opts.source, cmd, &opts.repository, "show only what is in `NAME` or below it")
	addOutputFlag(cmd, &opts.output)
	return cmd
}

// trashRow is what is shown of an entry of the trash.
type trashRow struct {
	Kind      registry.Kind `json:"kind"`
	Ref       string        `json:"ref"` // what sreg gc restore takes
	Digest    oci.Digest    `json:"digest"`
	Bytes     int64         `json:"bytes"`
	RemovedAt time.Time     `json:"removed_at"`
	By        string        `json:"by,omitempty"`
	Why       string        `json:"why,omitempty"`
	Until     time.Time     `json:"until"`
}

func newTrashRow(entry registry.TrashEntry, bytes int64, keep time.Duration) trashRow {
	return trashRow{
		Kind: entry.Kind, Ref: refOf(entry.Kind, storeRef{entry.Namespace, entry.Tag, entry.Digest}), Digest: entry.Digest,
		Bytes: bytes, RemovedAt: entry.At, By: entry.By, Why: entry.Why, Until: entry.At.Add(keep),
	}
}

func runGCTrash(ctx context.Context, io IO, opts gcTrash, now time.Time) (err error) {
	store, err := openStore(ctx, io, opts.source)
	if err != nil {
		return err
	}
	defer store.close(&err)
	if err := store.checkRepository(ctx, opts.repository); err != nil {
		return err
	}
	var rows []trashRow
	var broken []error
	for entry, err := range store.Maintenance.Trash(ctx, opts.repository) {
		var bytes int64
		if err == nil {
			bytes, err = store.Maintenance.TrashSize(ctx, entry)
		}
		if err != nil {
			broken = append(broken, err)
			continue
		}
		rows = append(rows, newTrashRow(entry, bytes, store.config.GC.Trash))
	}
	return errors.Join(append([]error{io.printTrash(rows, opts.output, now)}, broken...)...)
}

func (io IO) printTrash(rows []trashRow, output format, now time.Time) error {
	head := []string{"KIND", "REF", "SIZE", "REMOVED", "BY", "UNTIL", "WHY"}
	return printRows(io, output, rows, head, func(row trashRow) []string {
		return []string{
			string(row.Kind), row.Ref, sized(row.Bytes), io.when(row.RemovedAt, now), row.By, io.when(row.Until, now), row.Why,
		}
	})
}
