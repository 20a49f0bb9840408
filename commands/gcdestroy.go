package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/registry"
)

// gcDestroy are the flags of sreg gc destroy.
type gcDestroy struct {
	source source
	output format
	yes    bool
	dryRun bool
}

func newGCDestroy(io IO) *cobra.Command {
	var opts gcDestroy
	cmd := &cobra.Command{
		Use:   "destroy REF|DIGEST",
		Short: "Destroy one thing now, for good",
		Long: "Destroy one thing now, whatever its age, so that nobody can pull or restore it:\n\n" +
			"    NAME:TAG         a tag, and the manifest that it stands for\n" +
			"    NAME@DIGEST      a manifest with its tags, or a blob\n" +
			"    DIGEST           the same, in every namespace that has it\n" +
			"    NAME             all of a namespace\n\n" +
			"With a manifest goes all that it names and nothing else needs. What something else needs\n" +
			"stays, and the table says what that is. If it is what was named, the exit code is 1: to be\n" +
			"sure of a password in a layer, name the digest of the layer. What else was deleted can be\n" +
			"restored as before, and needs what it names.\n\n" +
			"It runs beside a server and beside pushes. A push that needs one of these things either\n" +
			"comes first, and then the thing stays; or it is refused, and the client sends it again." + exitCodes,
		Example: "  sreg gc destroy team/app:v1 --dry-run\n" +
			"  sreg gc destroy team/app:v1\n" +
			"  sreg gc destroy team/app@$DIGEST --yes",
		Args: one("reference"),
		RunE: func(cmd *cobra.Command, args []string) error { return runGCDestroy(cmd.Context(), io, opts, args[0]) },
	}
	opts.source.addFlags(cmd)
	addOutputFlag(cmd, &opts.output)
	cmd.ValidArgsFunction = firstFrom(fromStore(io, &opts.source, tags))
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false, "show what would go and what would stay, and change nothing")
	cmd.Flags().BoolVar(&opts.yes, "yes", false, "do not ask")
	return cmd
}

func runGCDestroy(ctx context.Context, io IO, opts gcDestroy, text string) (err error) {
	ref, err := parseStoreRef(text)
	if err != nil {
		return err
	}
	if !ref.Tag.IsZero() && !ref.Digest.IsZero() {
		return &usageError{message: fmt.Sprintf("%s names a tag and a digest", text), hint: "name one of them"}
	}
	store, err := openStore(ctx, io, opts.source)
	if err != nil {
		return err
	}
	defer store.close(&err)
	if store.config.Registry.ReadOnly {
		return fmt.Errorf("destroy %s: %w", ref, registry.ErrReadOnly)
	}
	d := newDestruction(ref, store)
	if err := d.choose(ctx); err != nil {
		return err
	}
	if !opts.yes && !opts.dryRun {
		if err := io.confirm(ctx, fmt.Sprintf("Destroy %s? It cannot be restored. Type yes: ", d.summary())); err != nil {
			return err
		}
	}
	do := d.carryOut
	if opts.dryRun {
		do = d.plan
	}
	rows, err := do(ctx, store.Collector)
	if err != nil {
		return err
	}
	err = printRows(io, opts.output, rows, []string{"RESULT", "KIND", "REF", "WHY"}, destroyedRow.cells)
	if n := others(rows); n > 0 && err == nil && !opts.dryRun {
		fmt.Fprintf(io.Err, "%s that it names: still there, because something else needs it; to be sure of one, name its digest\n", counted(n, "thing"))
	}
	return errors.Join(err, d.failure(ctx, rows))
}
