package snapshot

import (
	"errors"
	"strings"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// mistake shows an error about a key of the config as a mistake in the config, without what stands around it.
// While a service does not answer nobody knows whether the config is wrong.
func mistake(err error) error {
	var wrong *setting.Error
	if errors.As(err, new(*storage.UnavailableError)) || errors.Is(err, lock.ErrUnavailable) || !errors.As(err, &wrong) {
		return err
	}
	return &config.Error{Problems: []config.Problem{problem(wrong)}, Cause: err}
}

func problem(wrong *setting.Error) config.Problem {
	return config.Problem{Key: wrong.Key, Message: wrong.Err.Error()}
}

// OfAStore tells whether an error is what the service of a store said, or that it said nothing.
func OfAStore(err error) bool {
	var wrong *setting.Error
	if !errors.As(err, &wrong) {
		return errors.As(err, new(*storage.UnavailableError))
	}
	// Only the services of stores find faults that no key can put right, such as a wrong clock.
	return wrong.Key == "" || strings.HasPrefix(wrong.Key, "storage.")
}
