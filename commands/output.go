package commands

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/timespan"
)

// format is how a command prints what was asked for: table or json.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
)

// addOutputFlag adds -o to a command.
func addOutputFlag(cmd *cobra.Command, f *format) {
	*f = formatTable
	choiceFlag(cmd, f, "output", "o", "how to print: a table, or json for machines", formatTable, formatJSON)
}

// choice is the value of a flag that takes one of some words.
type choice[T ~string] struct {
	value *T
	words []T
}

// choiceFlag adds a flag that takes one of some words.
func choiceFlag[T ~string](cmd *cobra.Command, value *T, flag, short, usage string, words ...T) {
	c := choice[T]{value, words}
	cmd.Flags().VarP(c, flag, short, usage)
	completeFrom(cmd, flag, strings.Split(c.Type(), "|")...)
}

func (c choice[T]) String() string {
	if c.value == nil {
		return "" // pflag asks the zero value for what is no default
	}
	return string(*c.value)
}

func (c choice[T]) Type() string {
	words := make([]string, len(c.words))
	for i, word := range c.words {
		words[i] = string(word)
	}
	return strings.Join(words, "|")
}

func (c choice[T]) Set(text string) error {
	if !slices.Contains(c.words, T(text)) {
		words := strings.Split(c.Type(), "|")
		last := len(words) - 1
		return fmt.Errorf("want %s or %s", strings.Join(words[:last], ", "), words[last])
	}
	*c.value = T(text)
	return nil
}

// durationFlag adds a flag that takes a duration, as the config does.
func durationFlag(cmd *cobra.Command, value *time.Duration, flag, usage string) {
	cmd.Flags().Func(flag, usage, func(text string) (err error) {
		*value, err = timespan.Parse(text)
		return err
	})
}

// completeFrom makes the shell offer the values of a flag.
func completeFrom(cmd *cobra.Command, flag string, values ...string) {
	complete := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the command has no such flag
	}
}

// printRows prints a list: all of it for machines, and a line each under a head for people and pipes.
func printRows[R any](io IO, output format, rows []R, head []string, cells func(R) []string) error {
	if output == formatJSON {
		return io.printJSON(append([]R{}, rows...)) // none is an empty list
	}
	var table [][]string
	for _, row := range rows {
		table = append(table, cells(row))
	}
	return io.printHeaded(head, table)
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
		return "in " + span(at.Sub(now)+30*time.Second) // a day from a moment ago is a day
	}
	return span(now.Sub(at)) + " ago"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
