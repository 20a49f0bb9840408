package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/registry"
)

func newGCStatus(io IO) *cobra.Command {
	var from source
	var output format
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the last run of the collector ended",
		Long: "Show how the last run of the collector ended, whoever made it: a command, cron, or a server by\n" +
			"gc.schedule. Fails if it did not end well." + exitCodes,
		Example: "  sreg gc status\n  sreg gc status -o json -c /etc/sreg/sreg.yaml",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGCStatus(cmd.Context(), io, from, output) },
	}
	from.addFlags(cmd)
	addOutputFlag(cmd, &output)
	return cmd
}

func runGCStatus(ctx context.Context, io IO, from source, output format) (err error) {
	store, err := openStore(ctx, io, from)
	if err != nil {
		return err
	}
	defer store.close(&err)
	report, err := store.Collector.LastReport(ctx)
	if errors.Is(err, registry.ErrDamaged) {
		return hintedError{err, "sreg gc writes it anew; nothing else rests on it"}
	}
	if err != nil {
		return err
	}
	if report == nil {
		return hintedError{fmt.Errorf("the collector has never run on %s", store.Roots()[0]), "sreg gc --dry-run shows what it would do"}
	}
	if output == formatJSON {
		err = io.printJSON(report)
	} else {
		err = io.printTable([][]string{
			{"started", report.Started.Format(time.RFC3339)},
			{"by", orDash(report.By)},
			{"outcome", string(report.Outcome)},
			{"problem", orDash(report.Problem)},
			{"took", took(report.Seconds)},
			{"tags removed", fmt.Sprint(report.Removed.Objects)},
			{"uploads ended", fmt.Sprint(report.Uploads.Objects)},
			{"condemned", fmt.Sprintf("%d (%s)", report.Awaiting.Objects, sized(report.Awaiting.Bytes))},
			{"revived", fmt.Sprint(report.Revived.Objects)},
			{"destroyed", fmt.Sprintf("%d (%s)", report.Freed.Objects, sized(report.Freed.Bytes))},
			{"errors", fmt.Sprint(report.ErrorCount)},
			{"warnings", fmt.Sprint(report.WarningCount)},
		})
	}
	if err == nil && report.Outcome == gc.Interrupted {
		return hintedError{errors.New("the last run of the collector was interrupted"), "sreg gc goes on with what it left"}
	}
	if err == nil && report.ErrorCount > 0 {
		err = fmt.Errorf("the last run of the collector ended with %s", counted(report.ErrorCount, "error"))
	}
	return err
}
