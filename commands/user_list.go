package commands

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sreg-project/sreg/internal/users"
)

func newUserList(io IO) *cobra.Command {
	var file usersFile
	var output format
	cmd := &cobra.Command{
		Use:        "list",
		SuggestFor: []string{"ls"},
		Short:      "Show the users",
		Long: "Show the users of the file in its order: name, groups, expiry, the kind of hash, and what\n" +
			"needs to be done. It never shows a hash." + exitCodes,
		Example: "  sreg user list\n  sreg user list -o json --file users",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runUserList(io, file, output, time.Now()) },
	}
	file.addFlags(cmd)
	addOutputFlag(cmd, &output)
	return cmd
}

// userRow is what is shown of a user.
type userRow struct {
	Name    string   `json:"name"`
	KeptIn  string   `json:"kept_in,omitempty"`
	Groups  []string `json:"groups"`
	Expires string   `json:"expires,omitempty"`
	Expired bool     `json:"expired"`
	Hash    string   `json:"hash"` // the algorithm
	Rehash  bool     `json:"rehash"`
	Line    int      `json:"line"`
}

func newUserRow(u users.User, now time.Time) userRow {
	return userRow{
		Name: u.Name, Groups: append([]string{}, u.Groups...), Expires: users.FormatExpires(u.Expires),
		Expired: u.Expired(now), Hash: u.Hash.Algorithm(), Rehash: u.Hash.Rehash(), Line: u.Line,
	}
}

func runUserList(io IO, file usersFile, output format, now time.Time) error {
	f, err := file.load(io)
	if err != nil {
		return err
	}
	var rows []userRow
	for _, u := range f.Users() {
		rows = append(rows, newUserRow(u, now))
	}
	return io.printUsers(rows, output)
}

func (io IO) printUsers(rows []userRow, output format) error {
	return printRows(io, output, rows, []string{"NAME", "GROUPS", "EXPIRES", "HASH", "NOTE"}, func(row userRow) []string {
		return []string{row.Name, strings.Join(row.Groups, ","), row.Expires, row.Hash, row.note()}
	})
}

// note is what a person should do about a user.
func (r userRow) note() string {
	var notes []string
	if r.Expired {
		notes = append(notes, "has expired")
	}
	if r.Rehash {
		notes = append(notes, "weak hash, set the password again")
	}
	return strings.Join(notes, "; ")
}
