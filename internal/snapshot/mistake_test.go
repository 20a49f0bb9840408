package snapshot

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/setting"
	"github.com/sreg-project/sreg/internal/storage"
)

// TestAnErrorOfAKeyIsAMistakeInTheConfig: unless a service does not answer, which may be why.
func TestAnErrorOfAKeyIsAMistakeInTheConfig(t *testing.T) {
	t.Parallel()
	wrong := &setting.Error{Key: "storage.blobs.s3.bucket", Err: errors.New("there is no such bucket")}
	away := &storage.UnavailableError{Cause: errors.New("connection refused")}
	for _, tt := range []struct {
		name    string
		err     error
		mistake bool
		store   bool
	}{
		{"of a key of a store", fmt.Errorf("open: %w", wrong), true, true},
		{"of another key", &setting.Error{Key: "auth.users_file", Err: errors.New("no such file")}, true, false},
		{"of a service that does not answer", away, false, true},
		{"of a key whose service does not answer", fmt.Errorf("%w: %w", wrong, away), false, true},
		{"of a key whose locks do not answer", fmt.Errorf("%w: %w", &setting.Error{Key: "redis.url", Err: errors.New("x")}, lock.ErrUnavailable), false, false},
		{"of no key that could be changed", &setting.Error{Err: errors.New("the clock is wrong")}, true, true},
		{"of nothing", errors.New("the disk is full"), false, false},
	} {
		err := mistake(tt.err)
		var shown *config.Error
		if got := errors.As(err, &shown); got != tt.mistake || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, want a mistake in the config: %t", tt.name, err, tt.mistake)
		}
		if got := IsStoreError(tt.err); got != tt.store {
			t.Errorf("%s: is of a store %t, want %t", tt.name, got, tt.store)
		}
	}
}
