package users

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	maxFile  = 8 << 20 // bytes
	maxLines = 100_000 // also an empty line takes memory
	maxLine  = 16 << 10
)

// File is a users file: lines of name:hash[:groups[:expires]], and between them blank ones and comments,
// which begin with #. The zero value is an empty file.
type File struct {
	lines []line
}

// line is one line. A line that is not changed keeps its bytes.
type line struct {
	text     string   // with its line break, which the last line may lack
	user     User     // without a name if the line has no valid one
	problems []string // why the line cannot be used
	badHash  bool     // problems is about the hash alone, so a new hash corrects the line
}

// Parse reads a users file. If anything in it is wrong the error is an *Error with all mistakes.
func Parse(r io.Reader) (*File, error) {
	f, err := read(r)
	if err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	return f, nil
}

// Load parses the file of that path.
func Load(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read users file: %w", err)
	}
	// Before it is opened: opening a pipe waits until somebody writes to it.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read users file: %s is not a regular file", path)
	}
	opened, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read users file: %w", err)
	}
	defer opened.Close()
	f, err := Parse(opened)
	var mistakes *Error
	if errors.As(err, &mistakes) {
		mistakes.Path = path
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read users file %s: %w", path, err)
	}
	return f, nil
}

// read reads a file, also one with mistakes.
func read(r io.Reader) (*File, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("it is over %d bytes", maxFile)
	}
	f := &File{}
	for text := range strings.Lines(string(content)) {
		if len(f.lines) == maxLines {
			return nil, fmt.Errorf("it has over %d lines", maxLines)
		}
		f.lines = append(f.lines, parseLine(text, len(f.lines)+1))
	}
	return f, nil
}

func parseLine(text string, number int) line {
	l := line{text: text}
	content := strings.TrimSuffix(text, l.lineBreak())
	if trimmed := strings.TrimSpace(content); trimmed == "" || trimmed[0] == '#' {
		return l
	}
	if len(content) > maxLine {
		l.problems = []string{fmt.Sprintf("the line has %d bytes, at most %d are possible", len(content), maxLine)}
		return l
	}
	// The last field may contain colons.
	fields := strings.SplitN(content, ":", 4)
	if len(fields) < 2 {
		l.problems = []string{"the line has no colon, want name:hash[:groups[:expires]]"}
		return l
	}
	fields = append(fields, "", "")
	if err := CheckName(fields[0]); err != nil {
		l.problems = append(l.problems, err.Error())
	} else {
		l.user = User{Name: fields[0], Line: number}
	}
	hash, err := ParseHash(fields[1])
	l.note(err)
	l.badHash = err != nil && len(l.problems) == 1
	if fields[2] != "" {
		l.user.Groups = strings.Split(fields[2], ",")
		l.noteRest(CheckGroups(l.user.Groups))
	}
	if fields[3] != "" {
		expires, err := ParseExpires(fields[3])
		l.user.Expires = expires
		if err != nil {
			err = fmt.Errorf("the expiry is wrong: %w", err)
		}
		l.noteRest(err)
	}
	l.user.Hash = hash
	return l
}

func (l *line) note(err error) {
	if err != nil {
		l.problems = append(l.problems, err.Error())
	}
}

// noteRest notes a problem that a new hash does not correct.
func (l *line) noteRest(err error) {
	l.note(err)
	l.badHash = l.badHash && err == nil
}

func (l *line) lineBreak() string {
	for _, end := range []string{"\r\n", "\n"} {
		if strings.HasSuffix(l.text, end) {
			return end
		}
	}
	return ""
}

// Check returns an *Error with everything that is wrong in the file, or nil.
func (f *File) Check() error {
	mistakes := &Error{}
	first := map[string]int{}
	for i, l := range f.lines {
		mistakes.addLine(i, l)
		if l.user.Name == "" {
			continue
		}
		if before, again := first[l.user.Name]; again {
			mistakes.addDuplicate(i, before, l.user.Name)
		} else {
			first[l.user.Name] = i
		}
	}
	return mistakes.orNil()
}

// Users are the users whose lines have no mistake, in the order of the file.
func (f *File) Users() []User {
	var list []User
	for _, l := range f.lines {
		if l.user.Name != "" && len(l.problems) == 0 {
			list = append(list, l.user)
		}
	}
	return list
}

// Names are those of all users whose name can be read, each once.
func (f *File) Names() []string {
	var list []string
	for _, l := range f.lines {
		if l.user.Name != "" {
			list = append(list, l.user.Name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Find returns a user, or ErrUnknown. If only the hash in the user's line is wrong, it returns the user without
// a hash: Set with a new hash corrects the line. Any other mistake in the line is an *Error, because a change
// of the user would lose what was meant.
func (f *File) Find(name string) (User, error) {
	at, err := f.find(name)
	if err != nil {
		return User{}, err
	}
	return f.lines[at].user, nil
}

func (f *File) find(name string) (at int, err error) {
	at = slices.IndexFunc(f.lines, func(l line) bool { return l.user.Name == name && name != "" })
	if at < 0 {
		return 0, fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	mistakes := &Error{}
	if !f.lines[at].badHash {
		mistakes.addLine(at, f.lines[at])
	}
	for i, l := range f.lines[at+1:] {
		if l.user.Name == name {
			mistakes.addDuplicate(at+1+i, at, name)
		}
	}
	return at, mistakes.orNil()
}

// Add appends a user, or returns ErrExists.
func (f *File) Add(u User) error {
	if err := u.check(); err != nil {
		return err
	}
	if slices.ContainsFunc(f.lines, func(l line) bool { return l.user.Name == u.Name }) {
		return fmt.Errorf("%w: %s", ErrExists, u.Name)
	}
	end := "\n"
	if len(f.lines) > 0 && f.lines[0].lineBreak() != "" {
		end = f.lines[0].lineBreak()
	}
	if last := len(f.lines) - 1; last >= 0 && f.lines[last].lineBreak() == "" {
		f.lines[last].text += end
	}
	f.lines = append(f.lines, parseLine(u.line()+end, len(f.lines)+1))
	return nil
}

// Set replaces a user of that name, in place. It returns the errors of Find.
func (f *File) Set(u User) error {
	at, err := f.find(u.Name)
	if err != nil {
		return err
	}
	if err := u.check(); err != nil {
		return fmt.Errorf("%s: %w", u.Name, err)
	}
	f.lines[at] = parseLine(u.line()+f.lines[at].lineBreak(), at+1)
	return nil
}

// Remove removes every line of a user, also one with mistakes, or returns ErrUnknown.
func (f *File) Remove(name string) error {
	before := len(f.lines)
	f.lines = slices.DeleteFunc(f.lines, func(l line) bool { return name != "" && l.user.Name == name })
	if len(f.lines) == before {
		return fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	for i := range f.lines {
		if f.lines[i].user.Name != "" {
			f.lines[i].user.Line = i + 1
		}
	}
	return nil
}

// String is the content of the file, with the hashes.
func (f *File) String() string {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(l.text)
	}
	return b.String()
}
