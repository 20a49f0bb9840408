package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/users"
)

func newUserRemove(io IO) *cobra.Command {
	var file usersFile
	cmd := &cobra.Command{
		Use:        "remove NAME",
		SuggestFor: []string{"delete", "rm"},
		Short:      "Remove a user",
		Long:       "Remove every line of a user from the file. Everything else in it stays as it is." + exitCodes,
		Example:    "  sreg user remove alice\n  sreg user remove alice --file users",
		Args:       one("name"),
		RunE:       func(cmd *cobra.Command, args []string) error { return runUserRemove(cmd.Context(), io, file, args[0]) },
	}
	file.addFlags(cmd)
	file.completeNames(cmd, io)
	return cmd
}

func runUserRemove(ctx context.Context, io IO, file usersFile, name string) error {
	err := file.edit(ctx, io, func(f *users.File) error {
		// findUser reports a misspelt name; other mistakes in the user's lines are removed with them.
		if _, err := findUser(f, name); errors.Is(err, users.ErrUnknown) {
			return err
		}
		return f.Remove(name)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(io.Err, "removed %s\n", name)
	return nil
}
