package commands

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// format is how a command prints what was asked for: table or json.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
)

// String is for pflag.Value.
func (f *format) String() string { return string(*f) }

// Type is for pflag.Value.
func (f *format) Type() string { return "table|json" }

// Set is for pflag.Value.
func (f *format) Set(s string) error {
	switch format(s) {
	case formatTable, formatJSON:
		*f = format(s)
		return nil
	default:
		return fmt.Errorf("want table or json")
	}
}

// addOutputFlag adds -o to a command.
func addOutputFlag(cmd *cobra.Command, f *format) {
	*f = formatTable
	cmd.Flags().VarP(f, "output", "o", "how to print: a table, or json for machines")
	completeFrom(cmd, "output", string(formatTable), string(formatJSON))
}

// completeFrom makes the shell offer the values of a flag.
func completeFrom(cmd *cobra.Command, flag string, values ...string) {
	complete := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the command has no such flag
	}
}

// printTable prints rows in columns for people, and separated by tabs for pipes.
func (io IO) printTable(rows [][]string) error {
	if !io.OutIsTerminal {
		for _, row := range rows {
			if _, err := fmt.Fprintln(io.Out, cellsOf(row)); err != nil {
				return err
			}
		}
		return nil
	}
	columns := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(columns, cellsOf(row)); err != nil {
			return err
		}
	}
	return columns.Flush()
}

func cellsOf(row []string) string {
	cells := make([]string, len(row))
	for i, cell := range row {
		cells[i] = printable(cell)
	}
	return strings.Join(cells, "\t")
}

// printable keeps what others have chosen, such as the name of who pushed, from moving the cursor, beginning
// a line or a column of its own, or reading the other way round.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, text)
}

// printJSON prints a value for machines.
func (io IO) printJSON(value any) error {
	encoder := json.NewEncoder(io.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// when says a time as people say it, and to a pipe exactly.
func (io IO) when(at, now time.Time) string {
	if !io.OutIsTerminal {
		return at.UTC().Format(time.RFC3339)
	}
	if at.After(now) {
		return "in " + span(at.Sub(now))
	}
	return span(now.Sub(at)) + " ago"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
