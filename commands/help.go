package commands

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is how wide help is at most: longer lines are hard to read.
const helpWidth = 80

// exitCodes closes the help of every command.
const exitCodes = "\n\nExit codes: see sreg help exit-codes."

// newExitCodes is the topic that the help of every command leads to. It is no command.
func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes of all commands mean",
		Long: "Exit codes:\n\n" +
			"    0    ok\n" +
			"    1    something failed, such as a case of policy test\n" +
			"    2    the command line or the config is wrong\n" +
			"    3    another process holds the lock\n" +
			"    130  interrupted",
		Example: "  sreg config validate || echo \"exit code $?\"",
	}
}

// printHelp prints the help of a command, wrapped to the width of the terminal.
func printHelp(io IO, cmd *cobra.Command) {
	width := helpWidth
	if io.Width > 0 {
		width = min(width, io.Width)
	}
	fmt.Fprint(io.Out, helpOf(cmd, width))
}

// helpOf is the help of a command in lines of at most a width.
func helpOf(cmd *cobra.Command, width int) string {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	section := func(title, text string) { fmt.Fprintf(&b, "\n%s:\n%s\n", title, strings.TrimRight(text, "\n")) }
	b.WriteString(wrapText(cmd.Long, width) + "\n")
	if cmd.IsAdditionalHelpTopicCommand() {
		section("Examples", cmd.Example)
		return b.String()
	}
	usage := "  " + cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		usage += "\n  " + cmd.CommandPath() + " [command]"
	}
	section("Usage", usage)
	section("Examples", cmd.Example)
	if cmd.HasAvailableSubCommands() {
		section("Available Commands", listOf(cmd, (*cobra.Command).IsAvailableCommand, width))
	}
	section("Flags", cmd.LocalFlags().FlagUsagesWrapped(width))
	if cmd.HasAvailableInheritedFlags() {
		section("Global Flags", cmd.InheritedFlags().FlagUsagesWrapped(width))
	}
	if cmd.HasHelpSubCommands() {
		section("Topics", listOf(cmd, (*cobra.Command).IsAdditionalHelpTopicCommand, width))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUse \"%s [command] --help\" for more information about a command.\n", cmd.CommandPath())
	}
	return b.String()
}

// listOf lists the commands below one with what they are for.
func listOf(cmd *cobra.Command, of func(*cobra.Command) bool, width int) string {
	var b strings.Builder
	for _, child := range cmd.Commands() {
		if of(child) {
			indent := 3 + child.NamePadding()
			short := strings.ReplaceAll(wrapText(child.Short, width-indent), "\n", "\n"+strings.Repeat(" ", indent))
			fmt.Fprintf(&b, "  %-*s %s\n", child.NamePadding(), child.Name(), short)
		}
	}
	return b.String()
}

// wrapText breaks the paragraphs of a text anew. Lines that begin with a space stay as they are.
func wrapText(text string, width int) string {
	var b strings.Builder
	column := 0
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == ' ' {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line)
			column = 0
			continue
		}
		for j, word := range strings.Fields(line) {
			switch {
			case column == 0 && i > 0 && j == 0:
				b.WriteByte('\n')
			case column+1+len(word) > width:
				b.WriteByte('\n')
				column = 0
			case column > 0:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
	}
	return b.String()
}
