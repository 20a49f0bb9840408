package commands

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/spelling"
	"github.com/sreg-project/sreg/internal/timespan"
	"github.com/sreg-project/sreg/internal/users"
)

func newUser(io IO) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:   "user",
		Short: "Manage the users who sign in with a password",
		Long: "Manage the file of the users who sign in with a password. It has htpasswd's form, a line\n" +
			"for each user: name:hash[:groups[:expires]]. A change is one atomic step, waits for other\n" +
			"writers, and keeps comments and order. A running server takes it within a second.\n\n" +
			"The file is auth.users_file of the config, found as sreg serve finds it, unless --file\n" +
			"names another." + exitCodes,
		Example: "  sreg user add alice --group dev\n  sreg user list -c /etc/sreg/sreg.yaml\n  sreg user list --file users",
	})
	cmd.AddCommand(newUserAdd(io), newUserSet(io), newUserRemove(io), newUserList(io), newUserShow(io), newUserVerify(io), newUserHash(io))
	return cmd
}

// usersFile is the file that a command works on.
type usersFile struct {
	named string // by --file
	from  source // of the config that names it otherwise
}

func (u *usersFile) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&u.named, "file", "", "work on the users `FILE`, whatever the config says")
	u.from.addConfigFlag(cmd)
}

// path is the file that --file or the config names. A relative one begins in the working directory, as it does
// for sreg serve.
func (u usersFile) path(io IO) (string, error) {
	if u.named != "" {
		if len(u.from.files) > 0 {
			return "", &usageError{message: "--file and --config cannot be used together", hint: "choose one"}
		}
		return u.named, nil
	}
	u.from.withoutSecrets = true
	cfg, sources, err := u.from.load(io)
	if err != nil {
		return "", hintedError{err, "correct the config, or name the users file with --file"}
	}
	if cfg.Auth.UsersFile == "" {
		return "", &usageError{
			message: "the config names no users file: " + readFrom(sources),
			hint:    "set auth.users_file in it, name another config with -c, or the file itself with --file",
		}
	}
	return cfg.Auth.UsersFile, nil
}

// load reads a file that must have no mistake.
func (u usersFile) load(io IO) (*users.File, error) {
	path, err := u.path(io)
	if err != nil {
		return nil, err
	}
	f, err := users.Load(path)
	return f, withUserHint(err)
}

// edit changes the file, and warns of the mistakes that are left in it.
func (u usersFile) edit(ctx context.Context, io IO, change func(*users.File) error) error {
	path, err := u.path(io)
	if err != nil {
		return err
	}
	var left error
	err = users.Edit(ctx, path, func(f *users.File) error {
		err := change(f)
		left = f.Check()
		return err
	})
	if err != nil {
		return withUserHint(err)
	}
	var mistakes *users.Error
	if errors.As(left, &mistakes) {
		mistakes.Path = path
		for line := range strings.SplitSeq(mistakes.Error(), "\n") {
			io.warn(line)
		}
	}
	return nil
}

// check checks the file before a command asks for a password, so that it does not ask in vain. Mistakes in
// the lines of other users do not matter to it.
func (u usersFile) check(ctx context.Context, io IO, check func(*users.File) error) error {
	path, err := u.path(io)
	if err != nil {
		return err
	}
	return withUserHint(users.Edit(ctx, path, check))
}

// withUserHint adds to an error what to do about it.
func withUserHint(err error) error {
	var mistakes *users.Error
	switch {
	case errors.As(err, &mistakes):
		return hintedError{err, "sreg user set NAME corrects a hash, sreg user remove NAME removes a user's lines, an editor does the rest"}
	case errors.Is(err, users.ErrExists):
		return hintedError{err, "sreg user set NAME changes a user"}
	case errors.Is(err, users.ErrBusy):
		return hintedError{err, "try again; if it stays so, find out which process holds the file open"}
	case errors.Is(err, fs.ErrPermission):
		return hintedError{err, "run it as a user who may write to the file and to its folder"}
	case errors.Is(err, fs.ErrNotExist):
		return hintedError{err, "sreg user add NAME makes the file; its folder must be there"}
	default:
		return err
	}
}

// findUser finds a user, or says which one was probably meant.
func findUser(f *users.File, name string) (users.User, error) {
	u, err := f.Find(name)
	if errors.Is(err, users.ErrUnknown) {
		hint := "sreg user list shows who is there"
		if len(f.Names()) == 0 {
			hint = "the file has no user yet; sreg user add makes one"
		} else if near, ok := spelling.Nearest(name, f.Names()); ok {
			hint = "did you mean " + near + "?"
		}
		err = hintedError{err, hint}
	}
	return u, err
}

// completeNames offers the names of the file.
func (u *usersFile) completeNames(cmd *cobra.Command, io IO) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		f, err := u.load(io)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f.Names(), cobra.ShellCompDirectiveNoFileComp
	}
}

// membership is what a command sets of a user beside the password.
type membership struct {
	groups  []string
	expires string
}

func (m *membership) addFlags(cmd *cobra.Command, groups string) {
	cmd.Flags().StringArrayVar(&m.groups, "group", nil, groups)
	cmd.Flags().StringVar(&m.expires, "expires", "", "the `TIME` from which the user may not sign in: 2027-01-31 (the first moment of that day, UTC), 2027-01-31T18:00:00Z, a duration from now such as 12h or 1d, or never")
	completeFrom(cmd, "expires", "never")
}

// parse checks what the flags say, before a password is asked for, and returns what they change.
func (m membership) parse(io IO) (change func(*users.User), err error) {
	if err := users.CheckGroups(m.groups); err != nil {
		return nil, &usageError{message: "--group: " + err.Error(), hint: "repeat --group for each group"}
	}
	now := time.Now()
	var expires time.Time
	if m.expires != "" && m.expires != "never" {
		if expires, err = parseExpires(m.expires, now); err != nil {
			return nil, &usageError{message: "--expires: " + err.Error(), hint: "or a duration from now such as 12h or 1d, or never"}
		}
	}
	if (users.User{Expires: expires}).Expired(now) {
		io.warn("--expires " + m.expires + " has passed: the user cannot sign in")
	}
	return func(u *users.User) {
		if m.groups != nil {
			u.Groups = m.groups
		}
		if m.expires != "" {
			u.Expires = expires
		}
	}, nil
}

// parseExpires reads what the file takes, and a duration from now, to the second.
func parseExpires(text string, now time.Time) (time.Time, error) {
	if d, err := timespan.Parse(text); err == nil {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	return users.ParseExpires(text)
}
