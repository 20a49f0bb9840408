package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/scrub"
)

// patience is how long a verification waits for deletes that are under way at its end.
const patience = 2 * time.Second

// verifyOptions are the flags of sreg gc verify.
type verifyOptions struct {
	source     source
	output     format
	repair     bool
	quick      bool
	restart    bool
	repository oci.Name
	rate       string
	workers    int
}

func newGCVerify(io IO) *cobra.Command {
	var opts verifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hash everything again, follow what names what, repair",
		Long: "Verify what is stored: hash every blob and manifest again, and look whether tags, manifests,\n" +
			"links and referrers lead to what is there. It changes nothing without --repair, and runs\n" +
			"beside a server. What was interrupted goes on where it was, with the next run.\n\n" +
			"With --repair it rebuilds entries of referrers, links and the catalog, and moves what is no\n" +
			"good aside, below _corrupt, so that the next push makes it anew. It never deletes the last\n" +
			"copy of anything. Exit code 1 says that findings remain." + exitCodes,
		Example: "  sreg gc verify --data /var/lib/sreg\n  sreg gc verify -c sreg.yaml --repair\n  sreg gc verify -c sreg.yaml --rate 50MiB --concurrency 4 -o json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGCVerify(cmd.Context(), io, opts) },
	}
	opts.source.addFlags(cmd)
	addOutputFlag(cmd, &opts.output)
	flags := cmd.Flags()
	flags.BoolVar(&opts.repair, "repair", false, "repair what can be repaired")
	flags.BoolVar(&opts.quick, "quick", false, "hash no blobs, only look at what names what")
	flags.BoolVar(&opts.restart, "restart", false, "begin anew instead of going on where a run was interrupted")
	repositoryFlag(io, &opts.source, cmd, &opts.repository, "verify only the namespace `NAME`, those below it and what they hold")
	flags.StringVar(&opts.rate, "rate", "", "hash at most `SIZE` a second, such as 50MiB")
	flags.IntVar(&opts.workers, "concurrency", 2, "look at `N` objects at the same moment")
	return cmd
}

func runGCVerify(ctx context.Context, io IO, opts verifyOptions) (err error) {
	options, err := opts.parse()
	if err != nil {
		return err
	}
	store, err := openStore(ctx, io, opts.source)
	if err != nil {
		return err
	}
	defer store.close(&err)
	if err := store.checkRepository(ctx, opts.repository); err != nil {
		return err
	}
	ctx, release, err := claimToVerify(ctx, store, opts.repair)
	if err != nil {
		return err
	}
	defer release()
	shown := io.newProgress()
	options.Progress = func(p scrub.Progress) {
		shown.show(p.Phase, p.Share, func() string {
			if p.Phase == string(registry.PartBlobs) {
				return sized(p.Bytes) + " hashed"
			}
			return counted(int(p.Objects), "object")
		})
	}
	report, err := scrub.Run(ctx, store.Maintenance, options)
	shown.end()
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(io.Err, "hint: run the same command again to go on where this run was interrupted, or with --restart to begin anew")
		return context.Canceled
	}
	if err != nil {
		return err
	}
	return io.printVerified(report, opts.output)
}

func (o verifyOptions) parse() (scrub.Options, error) {
	options := scrub.Options{
		Repair: o.repair, Quick: o.quick, Restart: o.restart, Repository: o.repository, Concurrency: o.workers, Patience: patience,
		CheckSecret: checkSecret,
	}
	if o.workers < 1 || o.workers > 256 {
		return options, &usageError{message: fmt.Sprintf("--concurrency: want 1 to 256, got %d", o.workers)}
	}
	if o.rate != "" {
		size, err := bytesize.ParseSize(strings.TrimSuffix(o.rate, "/s"))
		if err != nil {
			return options, &usageError{message: "--rate: " + err.Error()}
		}
		options.Rate = int64(size)
	}
	return options, nil
}

// checkSecret says what is wrong with what a registry keeps for itself.
func checkSecret(name registry.Secret, content []byte) error {
	switch name {
	case registry.TokenKeys:
		return authn.CheckKeys(content)
	case registry.RevokedTokens:
		return authn.CheckRevocations(content)
	}
	return nil
}

// claimToVerify keeps two verifications apart, which would note over each other how far they came, and a
// repair from the collector. A store that takes no writes takes no claims.
func claimToVerify(ctx context.Context, store *openedStore, repair bool) (context.Context, func(), error) {
	if store.config.Registry.ReadOnly {
		if repair {
			return nil, nil, &usageError{message: "the registry is read-only", hint: "set registry.read_only to false to repair"}
		}
		return ctx, func() {}, nil
	}
	note := holder(time.Now())
	ctx, release, err := store.Maintenance.ClaimVerify(ctx, note)
	if err != nil {
		return nil, nil, asHeld(err, "another verification is under way", "wait until it has ended")
	}
	if !repair {
		return ctx, release, nil
	}
	ctx, also, err := store.Maintenance.ClaimCollector(ctx, note)
	if err != nil {
		release()
		return nil, nil, asHeld(err, "a collector is at work", "wait until it has ended")
	}
	return ctx, func() { also(); release() }, nil
}

// findingsError says that something remains that a person has to see to.
type findingsError struct{ remaining int64 }

func (e *findingsError) Error() string {
	if e.remaining == 1 {
		return "1 finding remains"
	}
	return counted(int(e.remaining), "finding") + " remain"
}

func (io IO) printVerified(report *scrub.Report, output format) error {
	err := io.printFindings(report, output)
	if err != nil {
		return err
	}
	resumed := ""
	if report.Resumed {
		resumed = ", with what an interrupted run had done"
	}
	fmt.Fprintf(io.Err, "verified %s, %s hashed%s: %d critical, %s, %s, %s; %d repaired\n",
		counted(total(report), "object"), sized(report.Bytes), resumed, report.Counts[scrub.Critical],
		counted(int(report.Counts[scrub.Error]), "error"), counted(int(report.Counts[scrub.Warning]), "warning"),
		counted(int(report.Counts[scrub.Note]), "note"), report.Repaired)
	if report.Remaining() > 0 {
		return &findingsError{remaining: report.Remaining()}
	}
	return nil
}

func (io IO) printFindings(report *scrub.Report, output format) error {
	if output == formatJSON {
		return io.printJSON(report)
	}
	var table [][]string
	for _, f := range report.Findings {
		table = append(table, []string{string(f.Severity), string(f.Code), where(f), means(f), toDo(f)})
	}
	if len(table) > 0 {
		if err := io.printHeaded([]string{"SEVERITY", "FINDING", "WHERE", "WHAT IT MEANS", "WHAT TO DO"}, table); err != nil {
			return err
		}
	}
	if report.Omitted > 0 {
		io.warn(fmt.Sprintf("%s more are not shown", counted(int(report.Omitted), "finding")))
	}
	return nil
}

// where is a finding as a person names it: a reference, or a key where there is none.
func where(f scrub.Finding) string {
	switch {
	case f.Namespace.IsZero() || f.Digest.IsZero() && f.Tag == "":
		return f.Key
	case f.Tag != "":
		return f.Namespace.String() + ":" + f.Tag
	}
	return f.Namespace.String() + "@" + f.Digest.String()
}

func means(f scrub.Finding) string {
	if f.Names.IsZero() {
		return f.Means
	}
	return f.Means + ": " + f.Names.String()
}

func toDo(f scrub.Finding) string {
	switch {
	case f.Repaired != "":
		return "repaired: " + f.Repaired
	case f.Problem != "":
		return f.Do + " (" + f.Problem + ")"
	}
	return f.Do
}

func total(report *scrub.Report) (n int) {
	for _, one := range report.Objects {
		n += int(one)
	}
	return n
}
