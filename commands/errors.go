package commands

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// usageError says that the command line is wrong.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func (e *usageError) Hint() string { return e.hint }

// hintedError adds what a person can do about an error.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Hint() string { return e.hint }

func (e hintedError) Unwrap() error { return e.error }

// heldError says that another process holds a lock that this one needs.
type heldError struct{ hintedError }

// withDataHint says what to do about a folder that cannot hold a store.
func withDataHint(err error) error {
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR} {
		if errors.Is(err, cause) {
			return hintedError{err, "choose a folder that sreg may write to with --data"}
		}
	}
	return err
}

// textOf is an error in one line.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
