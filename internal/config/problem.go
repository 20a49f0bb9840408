package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Origin is where a value was given.
type Origin struct {
	Source string // a file, the name of an environment variable, a flag such as --address; "" = the default
	Line   int    // in a file; 0 = unknown
	Column int

	layer int // what is read later is listed later
}

// String is what a message begins with: sreg.yaml:12:3.
func (o Origin) String() string {
	switch {
	case o.Source == "":
		return "default"
	case o.Line == 0:
		return o.Source
	case o.Column == 0:
		return fmt.Sprintf("%s:%d", o.Source, o.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", o.Source, o.Line, o.Column)
	}
}

// Problem is one mistake in the configuration.
type Problem struct {
	Origin  Origin
	Key     string // server.listeners[1].tls; "" if it concerns no key
	Message string // what is wrong, what was got, what to change
}

// String is one line: sreg.yaml:12:3: server.http2: want true or false, got "yes".
func (p Problem) String() string {
	var parts []string
	if p.Origin.Source != "" {
		parts = append(parts, p.Origin.String())
	}
	if p.Key != "" {
		parts = append(parts, p.Key)
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// Error holds every mistake that was found, in the order of the files and of
// the lines within them, then of the environment and the flags.
type Error struct {
	Problems []Problem
	// Cause is the error that was found when the configuration was used; nil if reading it was enough.
	Cause error
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Error is one line for each mistake.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problems are mistakes that were found.
type problems []Problem

// about reports whether a mistake is known in the key, above or below it: what
// follows from a mistake need not be told.
func (ps problems) about(key string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool {
		return p.Key != "" && (p.Key == key || isBelow(p.Key, key) || isBelow(key, p.Key))
	})
}

// isBelow reports whether server.tls.cert_file, say, is below server.tls.
func isBelow(key, above string) bool {
	rest, ok := strings.CutPrefix(key, above)
	return ok && above != "" && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// err is nil, or the error with all mistakes in order.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Origin.layer, b.Origin.layer),
			cmp.Compare(a.Origin.Line, b.Origin.Line),
			cmp.Compare(a.Origin.Column, b.Origin.Column),
		)
	})
	return &Error{Problems: slices.Compact(ps)}
}
