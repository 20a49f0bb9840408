package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/users"
)

func newUserShow(io IO) *cobra.Command {
	var file usersFile
	var output format
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one user",
		Long: "Show one user: groups, expiry, the kind of hash, and what needs to be done. It never shows a\n" +
			"hash. A user of the config wins over one of the file, as for a server." + exitCodes,
		Example: "  sreg user show alice\n  sreg user show alice -o json --file users",
		Args:    one("name"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runUserShow(io, file, args[0], output, time.Now())
		},
	}
	file.addFlags(cmd)
	file.completeNames(cmd, io)
	addOutputFlag(cmd, &output)
	return cmd
}

func runUserShow(io IO, file usersFile, name string, output format, now time.Time) error {
	row, err := findRow(io, file, name, now)
	if err != nil {
		return err
	}
	if output == formatJSON {
		return io.printJSON(row)
	}
	expires := row.Expires
	if expires == "" {
		expires = "never"
	}
	table := [][]string{
		{"name", row.Name}, {"kept in", orDash(row.KeptIn)}, {"groups", orDash(strings.Join(row.Groups, ", "))}, {"expires", expires}, {"hash", row.Hash},
	}
	if note := row.note(); note != "" {
		table = append(table, []string{"note", note})
	}
	return io.printTable(table)
}

// findRow finds a user of the config, or else of the file.
func findRow(io IO, file usersFile, name string, now time.Time) (userRow, error) {
	if file.named == "" {
		from := file.from
		from.withoutSecrets = true
		if cfg, _, err := from.load(io); err == nil { // else the file says why
			i := slices.IndexFunc(cfg.Auth.Users, func(u authn.UserConfig) bool { return u.Name == name })
			if i >= 0 {
				return configRow(cfg.Auth.Users[i], i, now)
			}
		}
	}
	f, err := file.load(io)
	if err != nil {
		return userRow{}, err
	}
	user, err := findUser(f, name)
	row := newUserRow(user, now)
	row.KeptIn = "the users file"
	return row, err
}

func configRow(u authn.UserConfig, index int, now time.Time) (userRow, error) {
	known, err := authn.KnownUsers([]authn.UserConfig{u}, nil)
	if err != nil {
		return userRow{}, err
	}
	user := known[u.Name]
	row := userRow{
		Name: u.Name, KeptIn: fmt.Sprintf("auth.users[%d]", index), Groups: append([]string{}, u.Groups...),
		Expires: users.FormatExpires(user.Expires), Expired: user.Expired(now), Hash: "not read: it is in a file",
	}
	if hash, err := users.ParseHash(u.PasswordHash.Reveal()); err == nil {
		row.Hash, row.Rehash = hash.Algorithm(), hash.Rehash()
	}
	return row, nil
}
