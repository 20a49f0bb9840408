package snapshot

import (
	"errors"
	"strings"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// mistake makes a *config.Error of an error that names a key of the config. While a service does not answer nobody
// knows whether the config is wrong: such an error stays as it is.
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

// IsStoreError tells whether an error came from the service of a store, or says that it does not answer.
func IsStoreError(err error) bool {
	var wrong *setting.Error
	if !errors.As(err, &wrong) {
		return errors.As(err, new(*storage.UnavailableError))
	}
	// Only the services of stores find faults that no key can put right, such as a wrong clock.
	return wrong.Key == "" || strings.HasPrefix(wrong.Key, "storage.")
}
