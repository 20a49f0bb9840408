package commands

import (
	"fmt"

	"github.com/spf13/cobra"
)

// noArgs refuses words that a command does not take.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{message: fmt.Sprintf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), hint: seeHelp(cmd)}
}

func seeHelp(cmd *cobra.Command) string {
	return fmt.Sprintf("see %s --help", cmd.CommandPath())
}

// one wants one argument, which a message calls by a noun.
func one(noun string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return &usageError{message: fmt.Sprintf("%s takes one %s, got %d", cmd.CommandPath(), noun, len(args)), hint: seeHelp(cmd)}
	}
}
