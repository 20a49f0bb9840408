package commands

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newUserShow(io IO) *cobra.Command {
	var file usersFile
	var output format
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one user",
		Long: "Show what the file says of one user: groups, expiry, the kind of hash, and what needs to be\n" +
			"done. It never shows a hash." + exitCodes,
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
	f, err := file.load(io)
	if err != nil {
		return err
	}
	user, err := findUser(f, name)
	if err != nil {
		return err
	}
	row := newUserRow(user, now)
	if output == formatJSON {
		return io.printJSON(row)
	}
	expires := row.Expires
	if expires == "" {
		expires = "never"
	}
	table := [][]string{
		{"name", row.Name}, {"groups", orDash(strings.Join(row.Groups, ", "))}, {"expires", expires}, {"hash", row.Hash},
	}
	if note := row.note(); note != "" {
		table = append(table, []string{"note", note})
	}
	return io.printTable(table)
}
