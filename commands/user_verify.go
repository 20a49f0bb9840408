package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/users"
)

func newUserVerify(io IO) *cobra.Command {
	var file usersFile
	var from passwordFrom
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Check a user's password",
		Long: "Check whether a user could sign in with a password, as a server would: exit code 0 says\n" +
			"yes, 1 says no. The password is asked for on the terminal or read from standard input." + exitCodes,
		Example: "  sreg user verify alice\n" +
			"  pass show registry | sreg user verify alice --password-stdin --file users",
		Args: one("name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUserVerify(cmd.Context(), io, file, args[0], from)
		},
	}
	file.addFlags(cmd)
	file.completeNames(cmd, io)
	from.stdinFlag(cmd)
	return cmd
}

func runUserVerify(ctx context.Context, io IO, file usersFile, name string, from passwordFrom) error {
	f, err := file.load(io)
	if err != nil {
		return err
	}
	user, err := findUser(f, name)
	if err != nil {
		return err
	}
	password, err := io.askOnce(ctx, "Password: ", from)
	if err != nil {
		return err
	}
	if !user.Hash.Verify(password) {
		return fmt.Errorf("this is not the password of %s", name)
	}
	if user.Expired(time.Now()) {
		return hintedError{
			fmt.Errorf("the password is right, but %s has expired (%s)", name, users.FormatExpires(user.Expires)),
			fmt.Sprintf("sreg user set %s --expires never", name),
		}
	}
	if user.Hash.Rehash() {
		io.warn(fmt.Sprintf("the hash is weak (%s): set the password again with sreg user set %s", user.Hash.Algorithm(), name))
	}
	_, err = fmt.Fprintf(io.Out, "ok: %s\n", name)
	return err
}
