package commands

import (
	"errors"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/policy/policytest"
)

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
