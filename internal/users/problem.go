package users

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrUnknown says that the file has no such user.
	ErrUnknown = errors.New("no such user")
	// ErrExists says that the file has the user already.
	ErrExists = errors.New("the user exists already")
	// ErrBusy says that another process has been writing the file for long.
	ErrBusy = errors.New("another process is writing the users file")
)

// maxProblems bounds what is reported about one file; the rest is counted.
const maxProblems = 1000

// Problem is one mistake in a users file.
type Problem struct {
	Line    int
	Name    string // of the user, if the line has a valid one
	Message string // what is wrong, and what to do
}

// String is one line: 3: bob: the hash is SHA-1, want Argon2id or bcrypt: set the password again.
func (p Problem) String() string {
	if p.Name == "" {
		return fmt.Sprintf("%d: %s", p.Line, p.Message)
	}
	return fmt.Sprintf("%d: %s: %s", p.Line, p.Name, p.Message)
}

// Error holds the mistakes of a users file, in the order of its lines.
type Error struct {
	Path     string // empty if the file came from a reader
	Problems []Problem
	More     int // how many others there are
}

// Error is one line for each mistake.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		if e.Path != "" {
			lines = append(lines, e.Path+":"+p.String())
		} else {
			lines = append(lines, "line "+p.String())
		}
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d other mistakes", e.More))
	}
	return strings.Join(lines, "\n")
}

func (e *Error) add(p Problem) {
	if len(e.Problems) == maxProblems {
		e.More++
		return
	}
	e.Problems = append(e.Problems, p)
}

// addLine adds all that is wrong with the line of that index.
func (e *Error) addLine(i int, l line) {
	for _, message := range l.problems {
		e.add(Problem{Line: i + 1, Name: l.user.Name, Message: message})
	}
}

// addDuplicate adds the line of an index whose user has a line before it.
func (e *Error) addDuplicate(i, before int, name string) {
	e.add(Problem{Line: i + 1, Name: name, Message: fmt.Sprintf("the user is on line %d already: remove one of the two", before+1)})
}

func (e *Error) orNil() error {
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}
