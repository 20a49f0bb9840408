package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/users"
)

func newUserHash(io IO) *cobra.Command {
	var from passwordFrom
	cmd := &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of a password",
		Long: "Print the Argon2id hash of a password, for a user in the config: auth.users[].password_hash.\n" +
			"The password is asked for twice on the terminal, or read from standard input." + exitCodes,
		Example: "  sreg user hash\n  pass show registry | sreg user hash --password-stdin",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runUserHash(cmd.Context(), io, from) },
	}
	from.stdinFlag(cmd)
	return cmd
}

func runUserHash(ctx context.Context, io IO, from passwordFrom) error {
	password, err := io.askNew(ctx, "", from)
	if err != nil {
		return err
	}
	hash, err := users.NewHash(password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(io.Out, hash.Reveal())
	return err
}
