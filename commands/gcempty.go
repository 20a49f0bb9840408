package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// gcEmpty are the flags of sreg gc empty.
type gcEmpty struct {
	source     source
	repository oci.Name
	olderThan  time.Duration
	yes        bool
}

func newGCEmpty(io IO) *cobra.Command {
	var opts gcEmpty
	cmd := &cobra.Command{
		Use:   "empty",
		Short: "Destroy what was removed, before its time",
		Long: "Destroy what clients and retention have removed, instead of waiting for gc.trash: it cannot be\n" +
			"restored from then on. It says how much that is and asks." + exitCodes,
		Example: "  sreg gc empty\n  sreg gc empty --repository team --older-than 1h --yes",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGCEmpty(cmd.Context(), io, opts, time.Now()) },
	}
	opts.source.addFlags(cmd)
	repositoryFlag(io, &opts.source, cmd, &opts.repository, "only what is in `NAME` or below it")
	durationFlag(cmd, &opts.olderThan, "older-than", "only what was removed at least this long ago: `DURATION`, such as 12h or 1d")
	cmd.Flags().BoolVar(&opts.yes, "yes", false, "do not ask")
	return cmd
}

func runGCEmpty(ctx context.Context, io IO, opts gcEmpty, now time.Time) (err error) {
	store, err := openStore(ctx, io, opts.source)
	if err != nil {
		return err
	}
	defer store.close(&err)
	if err := store.checkRepository(ctx, opts.repository); err != nil {
		return err
	}
	if store.config.Registry.ReadOnly {
		return fmt.Errorf("empty the trash: %w", registry.ErrReadOnly)
	}
	entries, err := opts.choose(ctx, io, store, now)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		fmt.Fprintln(io.Err, "the trash has nothing to destroy")
		return nil
	}
	if !opts.yes {
		question := fmt.Sprintf("Destroy %s, and what is condemned? It cannot be restored. Type yes: ", counted(len(entries), "removed thing"))
		if err := io.confirm(ctx, question); err != nil {
			return err
		}
	}
	if err := opts.drop(ctx, store, entries, now); err != nil {
		return err
	}
	fmt.Fprintf(io.Err, "emptied the trash of %s\n", counted(len(entries), "removed thing"))
	return opts.collectNow(ctx, io, store)
}

// choose lists what is to be destroyed. An entry that cannot be read, so that nobody knows what it is, waits
// for its end. Only the runs that follow know the bytes: an entry of a tag has none of what that stood for.
func (opts gcEmpty) choose(ctx context.Context, io IO, store *openedStore, now time.Time) ([]registry.TrashEntry, error) {
	var entries []registry.TrashEntry
	for entry, err := range store.Maintenance.Trash(ctx, opts.repository) {
		if err != nil && entry.Key == "" {
			return nil, err
		}
		if err != nil {
			io.warn(err.Error())
			continue
		}
		if opts.olderThan > 0 && now.Sub(entry.At) < opts.olderThan {
			continue
		}
		entry.Content, entry.Names = nil, oci.Manifest{}
		entries = append(entries, entry)
	}
	return entries, nil
}

// drop removes the entries while no collector runs, which judges by them.
func (opts gcEmpty) drop(ctx context.Context, store *openedStore, entries []registry.TrashEntry, now time.Time) error {
	held, release, err := store.Maintenance.ClaimCollector(ctx, holder(now))
	if err != nil {
		return collecting(err)
	}
	defer release()
	for _, entry := range entries {
		if err := store.Maintenance.DropTrash(held, entry); err != nil {
			return err
		}
	}
	return nil
}

// emptyRuns bounds the runs that it takes until nothing is left to destroy: what a run condemns only a later
// one destroys.
const emptyRuns = 5

// collectNow destroys what the trash has let go of, in as many runs as that needs.
func (opts gcEmpty) collectNow(ctx context.Context, io IO, store *openedStore) error {
	var freed gc.Tally
	var at time.Duration
	for range emptyRuns {
		report, err := store.Collector.Run(ctx, gc.RunOptions{Only: gc.CollectPart, Repository: opts.repository, Trash: &at, Holder: holder(time.Now())})
		if err != nil {
			return collecting(err)
		}
		freed.Objects += report.Freed.Objects
		freed.Bytes += report.Freed.Bytes
		if report.Awaiting.Objects+report.Freed.Objects == 0 {
			break
		}
	}
	fmt.Fprintf(io.Err, "%s destroyed, %s freed; what is younger than gc.grace (%s), or still needed, stays: sreg gc destroy names one thing and ends it\n",
		counted(int(freed.Objects), "object"), sized(freed.Bytes), timespan.Text(store.config.GC.Grace))
	return nil
}
