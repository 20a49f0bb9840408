package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/timespan"
)

// gcRestore are the flags of sreg gc restore.
type gcRestore struct {
	source source
	since  time.Duration
	dryRun bool
	output format
}

func newGCRestore(io IO) *cobra.Command {
	var opts gcRestore
	cmd := &cobra.Command{
		Use:   "restore REF|DIGEST",
		Short: "Bring back what was removed",
		Long: "Bring back what was removed, with all that it needs:\n\n" +
			"    NAME:TAG         a tag and its manifest\n" +
			"    NAME:TAG@DIGEST  a tag as it was before, from its history\n" +
			"    NAME@DIGEST      a manifest or a blob\n" +
			"    DIGEST           the same, found in the trash\n" +
			"    NAME             every tag, manifest and blob that the namespace has lost\n\n" +
			"It is as if it were pushed now. What is there already stays as it is; no tag is taken from\n" +
			"another manifest, unless a digest is named." + exitCodes,
		Example: "  sreg gc restore team/app:v1\n  sreg gc restore team/app --since 1d --dry-run",
		Args:    one("reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runGCRestore(cmd.Context(), io, opts, args[0], time.Now())
		},
	}
	opts.source.addFlags(cmd)
	cmd.ValidArgsFunction = firstFrom(fromStore(io, &opts.source, trashed))
	durationFlag(cmd, &opts.since, "since", "of a namespace only what was removed at most this long ago: `DURATION`, such as 12h or 1d")
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false, "say what would come back, and change nothing")
	addOutputFlag(cmd, &opts.output)
	return cmd
}

// restoredRow is what is shown of one thing that came back.
type restoredRow struct {
	Kind   registry.Kind `json:"kind"`
	Ref    string        `json:"ref"`
	Digest oci.Digest    `json:"digest"`
	Result string        `json:"result"` // restored, would be restored, was there
	// KeptUntil is until when the rules of retention do not remove it; Goes says that they do then, as things stand.
	KeptUntil time.Time `json:"kept_until,omitzero"`
	Goes      bool      `json:"goes,omitempty"`
}

func runGCRestore(ctx context.Context, io IO, opts gcRestore, text string, now time.Time) (err error) {
	ref, err := parseStoreRef(text)
	if err != nil {
		return err
	}
	restore := registry.RestoreOptions{Namespace: ref.Namespace, Tag: ref.Tag, Digest: ref.Digest, By: "sreg gc restore (" + operator() + ")", DryRun: opts.dryRun}
	if opts.since > 0 {
		if !ref.Tag.IsZero() || !ref.Digest.IsZero() {
			return &usageError{message: "--since goes with a namespace alone", hint: "leave it out, or the tag and the digest"}
		}
		restore.Since = now.Add(-opts.since)
	}
	store, err := openStore(ctx, io, opts.source)
	if err != nil {
		return err
	}
	defer store.close(&err)
	restored, err := store.Maintenance.Restore(ctx, restore)
	err = withRestoreHint(err)
	rows := restoredRows(restored, opts.dryRun)
	if !opts.dryRun && slices.ContainsFunc(restored, func(one registry.Restored) bool { return !one.Found }) {
		err = errors.Join(err, io.addProspect(ctx, store, restored, rows))
	}
	return errors.Join(io.printRestored(rows, opts.output), err)
}

func restoredRows(restored []registry.Restored, dryRun bool) (rows []restoredRow) {
	for _, one := range restored {
		result := "restored"
		if dryRun {
			result = "would be restored"
		}
		if one.Found {
			result = "was there"
		}
		rows = append(rows, restoredRow{
			Kind: one.Kind, Ref: refOf(one.Kind, storeRef{one.Namespace, one.Tag, one.Digest}), Digest: one.Digest, Result: result,
		})
	}
	return rows
}

// addProspect says until when what came back stays, and warns of what the rules of retention remove then.
func (io IO) addProspect(ctx context.Context, store *openedStore, restored []registry.Restored, rows []restoredRow) error {
	ns := restored[0].Namespace
	prospect, err := store.Collector.Prospect(ctx, ns)
	if err != nil {
		return fmt.Errorf("it came back; what the rules of retention say of it is not known: %w", err)
	}
	var going []string
	for i, one := range restored {
		if one.Found || one.Kind == registry.KindBlob {
			continue
		}
		rows[i].KeptUntil = prospect.Until
		rows[i].Goes = one.Kind == registry.KindTag && prospect.Tags[one.Tag] || one.Kind == registry.KindManifest && prospect.Manifests[one.Digest]
		if rows[i].Goes {
			going = append(going, rows[i].Ref)
		}
	}
	if len(going) == 0 {
		return nil
	}
	what := strings.Join(going[:min(len(going), namesShown)], ", ")
	if more := len(going) - namesShown; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	why := "gc.untagged_after removes what has no tag"
	if len(prospect.Rules) > 0 {
		why = "no rule of retention keeps it (asked: " + strings.Join(prospect.Rules, ", ") + ")"
	}
	io.warn(fmt.Sprintf("kept until %s by gc.trash (%s): %s; then %s, as things stand", prospect.Until.UTC().Format(time.RFC3339), timespan.Text(store.config.GC.Trash), what, why))
	return nil
}

func (io IO) printRestored(rows []restoredRow, output format) error {
	return printRows(io, output, rows, []string{"RESULT", "KIND", "REF"}, func(row restoredRow) []string {
		return []string{row.Result, string(row.Kind), row.Ref}
	})
}

// withRestoreHint says what to do when something cannot be restored.
func withRestoreHint(err error) error {
	var missing *registry.MissingError
	var moved *registry.TagMovedError
	var several *registry.AmbiguousDigestError
	switch {
	case errors.As(err, &moved):
		return hintedError{err, "to put it back all the same: sreg gc restore " + storeRef{moved.Namespace, moved.Tag, moved.Removed}.String()}
	case errors.As(err, &several):
		return hintedError{err, "name one: sreg gc restore " + storeRef{Namespace: several.Namespaces[0], Digest: several.Digest}.String()}
	case errors.As(err, &missing):
		return hintedError{err, "it is destroyed or was never there; push it again"}
	case errors.Is(err, registry.ErrNotInTrash):
		return hintedError{err, "sreg gc trash lists what can be restored, sreg gc history NAME:TAG what a tag has stood for; else push it again"}
	}
	return err
}

// operator is who types, for the records.
func operator() string {
	name := fmt.Sprint("uid ", os.Getuid())
	if me, err := user.Current(); err == nil {
		name = me.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}
