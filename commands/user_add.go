package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/users"
)

type userAddOptions struct {
	file       usersFile
	password   passwordFrom
	membership membership
	name       string
}

func newUserAdd(io IO) *cobra.Command {
	var opts userAddOptions
	cmd := &cobra.Command{
		Use:        "add NAME",
		SuggestFor: []string{"create", "new"},
		Short:      "Add a user",
		Long: "Add a user to the file, or make the file, for its owner alone. The password is asked for\n" +
			"twice on the terminal, read from standard input, or made and printed once. A password\n" +
			"that is easily guessed is warned about and taken." + exitCodes,
		Example: "  sreg user add alice --group dev --group ops\n" +
			"  sreg user add ci --generate --expires 2027-01-31 -c /etc/sreg/sreg.yaml\n" +
			"  pass show registry | sreg user add bob --password-stdin --file users",
		Args: one("name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.name = args[0]
			return runUserAdd(cmd.Context(), io, opts)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	opts.file.addFlags(cmd)
	opts.password.stdinFlag(cmd)
	opts.password.generateFlag(cmd)
	opts.membership.addFlags(cmd, "put the user into `GROUP`; repeat it for more")
	return cmd
}

func runUserAdd(ctx context.Context, io IO, opts userAddOptions) error {
	user := users.User{Name: opts.name}
	if err := users.CheckName(user.Name); err != nil {
		return &usageError{message: err.Error(), hint: "choose another name"}
	}
	change, err := opts.membership.parse(io)
	if err != nil {
		return err
	}
	change(&user)
	absent := func(f *users.File) error {
		if slices.Contains(f.Names(), user.Name) {
			return fmt.Errorf("%w: %s", users.ErrExists, user.Name)
		}
		return nil
	}
	if err := opts.file.check(ctx, io, absent); err != nil {
		return err
	}
	password, err := io.askNew(ctx, user.Name, opts.password)
	if err != nil {
		return err
	}
	// It is hashed before the file is locked, because other writers wait for the lock.
	if user.Hash, err = users.NewHash(password); err != nil {
		return err
	}
	if err := opts.file.edit(ctx, io, func(f *users.File) error { return f.Add(user) }); err != nil {
		return err
	}
	fmt.Fprintf(io.Err, "added %s\n", user.Name)
	return io.printGenerated(password, opts.password)
}
