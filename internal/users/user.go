package users

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxName   = 128 // bytes of a name, of a user or of a group
	maxGroups = 100
)

// User is one who signs in with a password.
type User struct {
	Name    string
	Hash    Hash
	Groups  []string
	Expires time.Time // the first moment at which the user may not sign in any more; zero is never
	Line    int       // in the file; 0 if it comes from elsewhere
}

// Expired says whether the user may not sign in any more.
func (u User) Expired(now time.Time) bool {
	return !u.Expires.IsZero() && !now.Before(u.Expires)
}

// check reports why the user cannot be written to a file.
func (u User) check() error {
	errs := []error{CheckName(u.Name)}
	if u.Hash.IsZero() {
		errs = append(errs, refuse(""))
	}
	errs = append(errs, CheckGroups(u.Groups))
	return errors.Join(errs...)
}

// line is the user in the file, without a line break.
func (u User) line() string {
	fields := []string{u.Name, u.Hash.Reveal(), strings.Join(u.Groups, ","), FormatExpires(u.Expires)}
	for len(fields) > 2 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	return strings.Join(fields, ":")
}

// CheckName says whether a user may have this name: 1 to 128 printable ASCII characters but space, colon,
// comma and slash, and no # at the beginning. Names of sign-ins by OIDC have a slash,
// provider/subject, and no user of the file may have such a name.
func CheckName(name string) error {
	if err := checkWord(name); err != nil {
		return err
	}
	if strings.Contains(name, "/") {
		return fmt.Errorf("the name %q has a slash, as only the sign-ins of OIDC providers have", shorten(name))
	}
	return nil
}

// checkWord is what names and groups have in common.
func checkWord(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d bytes, at most %d are possible", len(name), maxName)
	case name[0] == '#':
		return fmt.Errorf("the name %q begins with #, as a comment does", shorten(name))
	}
	if at := strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' || r == ',' }); at >= 0 {
		return fmt.Errorf("the name %q has %s; names are of ASCII letters, digits and signs other than colon and comma", shorten(name), character(name[at:]))
	}
	return nil
}

// CheckGroups says whether a user may be in these groups: names, each once, at most 100.
func CheckGroups(groups []string) error {
	if len(groups) > maxGroups {
		return fmt.Errorf("the user is in %d groups, at most %d are possible", len(groups), maxGroups)
	}
	for i, group := range groups {
		if err := checkWord(group); err != nil {
			return fmt.Errorf("group %d: %w", i+1, err)
		}
		if slices.Contains(groups[:i], group) {
			return fmt.Errorf("group %s is named twice", group)
		}
	}
	return nil
}

// rfc3339 is stricter than time.Parse, which accepts one digit for two, and a comma for a point.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$`)

// ParseExpires reads a date, whose first moment in UTC is meant, or a time as RFC 3339 has it.
func ParseExpires(text string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil && rfc3339.MatchString(text) {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || t.IsZero() { // the zero time would be never
		return time.Time{}, fmt.Errorf("want a date like 2027-01-31 or a time like 2027-01-31T18:00:00Z, got %q", shorten(text))
	}
	return t, nil
}

// FormatExpires writes what ParseExpires reads; never is empty.
func FormatExpires(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if _, offset := t.Zone(); offset == 0 && t.Equal(t.Truncate(24*time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}

// character names the first character of a text.
func character(text string) string {
	switch r, _ := utf8.DecodeRuneInString(text); r {
	case ' ':
		return "a space"
	case ':':
		return "a colon"
	case ',':
		return "a comma"
	case '\t':
		return "a tab"
	case '\n', '\r':
		return "a line break"
	default:
		return "the character " + strconv.QuoteRune(r)
	}
}

func shorten(text string) string {
	if len(text) > 40 {
		return text[:40] + "..."
	}
	return text
}
