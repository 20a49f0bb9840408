package commands

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// gcRun is what sreg gc was told.
type gcRun struct {
	from       source
	output     format
	dryRun     bool
	only       gc.Part
	repository oci.Name
	maxDelete  *float64 // in percent; nil is that of the config
	explain    string
}

func newGC(io IO) *cobra.Command {
	var opts gcRun
	cmd := newGroup(&cobra.Command{
		Use:   "gc",
		Short: "Collect what nothing needs any more, undo removals, verify what is stored",
		Long: "Collect what nothing needs any more. It runs beside a server that has the store in use, and\n" +
			"beside pushes; a run that is stopped anywhere is finished by the next one.\n\n" +
			"First the rules of retention take tags away, and expired uploads end. What nothing names\n" +
			"any more is condemned: it is there for every reader, and comes to life again if somebody\n" +
			"needs it. What has been condemned for gc.trash is destroyed. So space is freed by the runs\n" +
			"of the next day, and until then sreg gc restore undoes what was removed.\n\n" +
			"A plan is refused that would remove more than gc.max_delete, or all tags." + exitCodes,
		Example: "  sreg gc --dry-run\n" +
			"  sreg gc -c /etc/sreg/sreg.yaml --max-delete 20%\n" +
			"  sreg gc --explain team/app:1.2\n" +
			"  sreg gc --only retention --repository team -o json",
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runGC(cmd.Context(), io, opts) }
	opts.addFlags(io, cmd)
	cmd.AddCommand(newGCStatus(io), newGCTrash(io), newGCRestore(io), newGCHistory(io), newGCEmpty(io), newGCDestroy(io), newGCVerify(io))
	return cmd
}

func (o *gcRun) addFlags(io IO, cmd *cobra.Command) {
	o.from.addFlags(cmd)
	o.from.overrideFlag(cmd, "rate", "gc.rate", "look at or change at most `N` objects a second", plain)
	o.from.overrideFlag(cmd, "concurrency", "gc.concurrency", "read or change `N` objects at the same moment", plain)
	addOutputFlag(cmd, &o.output)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing")
	choiceFlag(cmd, &o.only, "only", "", "do one part of it: retention, uploads or collect", gc.RetentionPart, gc.UploadsPart, gc.CollectPart)
	repositoryFlag(io, &o.from, cmd, &o.repository, "limit retention and uploads to `NAME` and all below it; what is needed is looked for everywhere")
	cmd.Flags().Func("max-delete", "refuse a plan that removes more than `PERCENT` of all tags, manifests or blobs; 100% also permits to remove all tags", func(text string) error {
		percent, err := gc.ParseShare(text)
		o.maxDelete = &percent
		return err
	})
	cmd.Flags().StringVar(&o.explain, "explain", "", "say why `REF|DIGEST` stays or goes, and change nothing")
	completeFrom(cmd, "max-delete", "5%", "20%", "100%")
	completeFlag(cmd, "explain", fromStore(io, &o.from, tags))
}

// gcHeapGrowth and gcMemory keep the collector small beside the server: it has much that lives as long as
// the run, and nobody waits for it.
const (
	gcHeapGrowth = 50
	gcMemory     = 384 << 20
)

func runGC(ctx context.Context, io IO, opts gcRun) (err error) {
	run, err := opts.options()
	if err != nil {
		return err
	}
	debug.SetGCPercent(gcHeapGrowth)
	debug.SetMemoryLimit(gcMemory)
	store, err := openStore(ctx, io, opts.from)
	if err != nil {
		return err
	}
	defer store.close(&err)
	if err := store.checkRepository(ctx, opts.repository); err != nil {
		return err
	}
	// Where a service honours no conditional writes it is the other way round: the collector says so.
	conditional, err := store.Maintenance.ConditionalWrites(ctx)
	if err != nil {
		return err
	}
	if store.config.Registry.ReadOnly && !run.DryRun && conditional {
		return hintedError{registry.ErrReadOnly, "set registry.read_only to false, or look with --dry-run"}
	}
	run.Holder = holder(time.Now())
	shown := io.newProgress()
	run.Progress = func(p gc.Progress) {
		share := 0.0
		if p.Total > 0 {
			share = float64(p.Objects) / float64(p.Total)
		}
		shown.show(p.Phase, share, func() string { return counted(int(p.Objects), "object") })
	}
	report, err := store.Collector.Run(ctx, run)
	shown.end()
	if report == nil {
		return collecting(err)
	}
	return errors.Join(printReport(io, opts, report, store.config.GC), err)
}

// options are what the flags ask of the collector.
func (o gcRun) options() (gc.RunOptions, error) {
	target, err := o.target()
	return gc.RunOptions{
		DryRun: o.dryRun || o.explain != "", Only: o.only, Repository: o.repository, MaxDelete: o.maxDelete, Explain: target,
	}, err
}

// target reads what an explanation is wanted of, nil if none is.
func (o gcRun) target() (*gc.Target, error) {
	if o.explain == "" {
		return nil, nil
	}
	ref, err := parseStoreRef(o.explain)
	if err != nil {
		return nil, err
	}
	if ref.Tag.IsZero() && ref.Digest.IsZero() {
		return nil, &usageError{message: fmt.Sprintf("--explain: %q names a whole namespace", o.explain), hint: "name a tag or a digest, as in team/app:1.2"}
	}
	return &gc.Target{Namespace: ref.Namespace, Tag: ref.Tag, Digest: ref.Digest}, nil
}
