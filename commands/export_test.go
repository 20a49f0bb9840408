package commands

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/gc"
)

// GCFlags are the flags of sreg gc, for tests that bring a collector of their own.
type GCFlags struct{ opts gcRun }

// ParseGC reads them.
func ParseGC(args []string) (flags GCFlags, run gc.RunOptions, err error) {
	cmd := &cobra.Command{}
	flags.opts.addFlags(IO{}, cmd)
	if err = cmd.ParseFlags(args); err == nil {
		run, err = flags.opts.options()
	}
	return flags, run, err
}

// Print prints what sreg gc prints after a run, and returns its exit code.
func (f GCFlags) Print(io IO, ran *gc.Report, cfg gc.Config, err error) int {
	return report(io, errors.Join(printReport(io, f.opts, ran, cfg), err))
}
