package oci

import (
	"errors"
	"strings"
)

// pathError says where in a document something is wrong.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }

func (e *pathError) Unwrap() error { return e.err }

// at puts a step before the path of an error; the path is built only when there is an error.
func at(step string, err error) error {
	if err == nil {
		return nil
	}
	var inner *pathError
	if !errors.As(err, &inner) {
		return &pathError{path: step, err: err}
	}
	if !strings.HasPrefix(inner.path, "[") {
		step += "."
	}
	return &pathError{path: step + inner.path, err: inner.err}
}

// atKey is at with a key that a client chose, which may be long and hold anything.
func atKey(key []byte, err error) error {
	if err == nil {
		return nil
	}
	for _, c := range key {
		if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return at(quote(string(key)), err)
		}
	}
	return at(string(key[:min(len(key), 80)]), err)
}
