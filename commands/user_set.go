package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/users"
)

type userSetOptions struct {
	file       usersFile
	password   passwordFrom
	membership membership
	noGroups   bool
	name       string
}

func newUserSet(io IO) *cobra.Command {
	var opts userSetOptions
	cmd := &cobra.Command{
		Use:        "set NAME",
		SuggestFor: []string{"passwd", "password", "change", "edit", "update"},
		Short:      "Change a user's password, groups or expiry",
		Long: "Change a user: the password, unless only groups or the expiry are named. What is not\n" +
			"named stays as it is. Groups that are named take the place of all that the user has." + exitCodes,
		Example: "  sreg user set alice\n" +
			"  sreg user set alice --group dev --expires never -c /etc/sreg/sreg.yaml\n" +
			"  sreg user set ci --generate --file users",
		Args: one("name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.name = args[0]
			return runUserSet(cmd.Context(), io, opts)
		},
	}
	opts.file.addFlags(cmd)
	opts.file.completeNames(cmd, io)
	opts.password.stdinFlag(cmd)
	opts.password.generateFlag(cmd)
	opts.membership.addFlags(cmd, "put the user into `GROUP` and no other; repeat it for more")
	cmd.Flags().BoolVar(&opts.noGroups, "no-groups", false, "take the user out of all groups")
	return cmd
}

func runUserSet(ctx context.Context, io IO, opts userSetOptions) error {
	if opts.noGroups {
		if opts.membership.groups != nil {
			return &usageError{message: "--group and --no-groups cannot be used together", hint: "choose one"}
		}
		opts.membership.groups = []string{}
	}
	change, err := opts.membership.parse(io)
	if err != nil {
		return err
	}
	there := func(f *users.File) error { _, err := findUser(f, opts.name); return err }
	if err := opts.file.check(ctx, io, there); err != nil {
		return err
	}
	password, hash, err := opts.newHash(ctx, io)
	if err != nil {
		return err
	}
	err = opts.file.edit(ctx, io, func(f *users.File) error {
		user, err := findUser(f, opts.name)
		if err != nil {
			return err
		}
		if !hash.IsZero() {
			user.Hash = hash
		}
		change(&user)
		return f.Set(user)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(io.Err, "changed %s\n", opts.name)
	return io.printGenerated(password, opts.password)
}

// newHash is none if only something else is to change.
func (o userSetOptions) newHash(ctx context.Context, io IO) (password string, hash users.Hash, err error) {
	other := o.membership.groups != nil || o.membership.expires != ""
	if other && !o.password.stdin && !o.password.generate {
		return "", users.Hash{}, nil
	}
	if password, err = io.askNew(ctx, o.name, o.password); err != nil {
		return "", users.Hash{}, err
	}
	hash, err = users.NewHash(password)
	return password, hash, err
}
