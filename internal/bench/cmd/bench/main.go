// Command bench prints how sreg compares with a floor server and with the Docker registry. It
// promises the table of docs/performance.md, and writes that file when asked. It must not know how a
// figure is measured: it reads flags and prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/sreg-project/sreg/internal/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 2 && args[0] == bench.FloorCommand {
		return bench.ServeFloor(ctx, args[1])
	}
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if f.profile != "" {
		return bench.Profile(ctx, f.opts, f.profile)
	}
	watch, err := bench.NewWatch()
	if err != nil {
		return err
	}
	results, err := bench.Run(ctx, f.opts)
	if err != nil {
		return err
	}
	others, err := watch.Others()
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "other work took %.0f %% of the cores\n", 100*others)
	if err := f.print(stdout, results); err != nil {
		return err
	}
	if f.report != "" {
		report := bench.Report{Rounds: f.opts.Rounds, Others: others, Results: results}
		write := report.Write
		switch {
		case f.opts.Collectors:
			write = report.WriteCollectors
		case f.opts.S3 != "":
			write = report.WriteS3
		}
		if err := write(f.report); err != nil {
			return err
		}
	}
	return verdict(results)
}

// verdict makes the exit code tell of rows that are missed or failed.
func verdict(results []bench.Result) error {
	var bad []string
	for _, r := range results {
		if r.Verdict == bench.Missed || r.Verdict == bench.Failed {
			bad = append(bad, r.ID+" "+string(r.Verdict))
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d rows: %v", len(bad), len(results), bad)
	}
	return nil
}

type flags struct {
	opts    bench.Options
	report  string
	profile string
	print   func(io.Writer, []bench.Result) error
}

func parseFlags(args []string, stderr io.Writer) (flags, error) {
	f := flags{opts: bench.Options{Progress: stderr}}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.opts.Sreg, "sreg", "", "the built sreg `binary`")
	set.StringVar(&f.opts.Peer, "peer", "", "the built `binary` of the Docker registry")
	set.StringVar(&f.opts.Subject, "subject", "sreg", "what stands in the place of sreg: sreg, or peer or floor to check the bench itself")
	set.IntVar(&f.opts.Rounds, "rounds", 7, "how often the sides of a row take turns")
	set.BoolVar(&f.opts.Short, "short", false, "a smoke run of seconds whose figures mean nothing")
	set.StringVar(&f.opts.Temp, "temp", "", "the `folder` for the servers' data (default the system's)")
	set.StringVar(&f.report, "write", "", "also write the report to this `file`")
	set.StringVar(&f.profile, "profile", "", "measure nothing, and write to this `file` what sreg does under small pulls and pushes")
	set.BoolVar(&f.opts.Collectors, "gc", false, "measure the collectors of garbage instead; -write replaces their part of the report")
	set.StringVar(&f.opts.S3, "s3", "", "measure on S3 instead, served by this `binary` of versitygw; -write replaces that part of the report")
	set.IntVar(&f.opts.World, "gc-blobs", 0, "how many blobs both collectors look through (default 100000)")
	set.IntVar(&f.opts.LargeWorld, "gc-large", 0, "how many blobs the memory is measured with (default 1000000)")
	set.IntVar(&f.opts.CollectRate, "gc-rate", 0, "the --rate of the collector that pushes should not notice")
	only := set.String("only", "", "measure the rows whose id matches this `regexp`")
	output := set.String("o", "table", "table or json")
	if err := set.Parse(args); err != nil {
		return flags{}, err
	}
	if err := f.choose(*only, *output); err != nil {
		return flags{}, err
	}
	return f, f.find()
}

func (f *flags) choose(only, output string) (err error) {
	printers := map[string]func(io.Writer, []bench.Result) error{"table": bench.WriteTable, "json": bench.WriteJSON}
	if f.print = printers[output]; f.print == nil {
		return fmt.Errorf("-o: want table or json, got %q", output)
	}
	if f.report != "" && (only != "" || f.opts.Short || f.opts.Subject != "sreg") {
		return errors.New("-write: the report needs all rows of a full run on sreg: leave -only, -short and -subject out")
	}
	if only == "" {
		return nil
	}
	if f.opts.Only, err = regexp.Compile(only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	return nil
}

// find makes the paths absolute, as servers run in folders of their own.
func (f *flags) find() (err error) {
	if f.opts.Floor, err = os.Executable(); err != nil {
		return fmt.Errorf("find the floor server: %w", err)
	}
	type binary struct {
		flag string
		path *string
	}
	needed := []binary{{"-peer", &f.opts.Peer}}
	if f.opts.Subject == "sreg" {
		needed = append(needed, binary{"-sreg", &f.opts.Sreg})
	}
	if f.opts.S3 != "" {
		needed = append(needed, binary{"-s3", &f.opts.S3})
	}
	for _, b := range needed {
		if *b.path == "" {
			return fmt.Errorf("%s: want the path of a built binary", b.flag)
		}
		if *b.path, err = filepath.Abs(*b.path); err != nil {
			return fmt.Errorf("%s: %w", b.flag, err)
		}
	}
	return nil
}
