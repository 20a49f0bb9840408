// Package setting is for errors about a key of the configuration.
// It promises that whoever shows such an error can tell which key has to change, however deep the error is wrapped.
// It must not know which keys there are, nor where in a file they stand.
package setting

import (
	"errors"
	"fmt"
	"strings"
)

// Error says that a key of the configuration has to change, or what the key names.
type Error struct {
	// Key is the path of the key, such as redis.password or webhooks[1].ca_file. It is empty where no key can
	// put the matter right.
	Key string
	// Err says what is wrong and what to change.
	Err error
}

func (e *Error) Error() string {
	if e.Key == "" {
		return e.Err.Error()
	}
	return e.Key + ": " + e.Err.Error()
}

// Unwrap gives what happened.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a message, as fmt.Errorf does.
func Errorf(key, format string, args ...any) *Error {
	return &Error{Key: key, Err: fmt.Errorf(format, args...)}
}

// Below puts the key of an error below a section: url becomes webhooks[1].url. An error without a key is about
// the section itself. The error must not be nil.
func Below(section string, err error) *Error {
	var known *Error
	if !errors.As(err, &known) || known.Key == "" {
		return &Error{Key: section, Err: err}
	}
	return &Error{Key: strings.TrimPrefix(section+"."+known.Key, "."), Err: known.Err}
}
