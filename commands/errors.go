package commands

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/policy/policytest"
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

// placed adds to the mistakes of an error where in the config their keys are.
func placed(err error, sources config.Sources) error {
	var known *config.Error
	if !errors.As(err, &known) {
		return err
	}
	there := &config.Error{Cause: known.Cause}
	for _, p := range known.Problems {
		p.Origin = sources.Of(p.Key)
		there.Problems = append(there.Problems, p)
	}
	return there
}

// warnOf shows what is allowed in a config and likely not meant.
func (io IO) warnOf(warnings []config.Problem) {
	for _, w := range warnings {
		io.warn(w.String())
	}
}

// mistake names the key of the config because of which something could not be built.
func mistake(sources config.Sources, key string, err error) *config.Error {
	return &config.Error{Problems: []config.Problem{{Origin: sources.Of(key), Key: key, Message: err.Error()}}}
}

// fileMistakes turns what is wrong with a file into the error that a mistake in the config is.
func fileMistakes(file string, mistakes []policytest.Mistake) *config.Error {
	e := &config.Error{}
	for _, m := range mistakes {
		e.Problems = append(e.Problems, config.Problem{
			Origin: config.Origin{Source: file, Line: m.Line, Column: m.Column}, Key: m.Key, Message: m.Message,
		})
	}
	return e
}
