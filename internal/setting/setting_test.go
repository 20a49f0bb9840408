package setting

import (
	"errors"
	"io/fs"
	"testing"
)

func TestErrorSaysTheKeyAndKeepsTheCause(t *testing.T) {
	t.Parallel()
	err := Errorf("redis.ca_file", "read it: %w", fs.ErrNotExist)
	if got, want := err.Error(), "redis.ca_file: read it: file does not exist"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if got := Errorf("", "set the clock right").Error(); got != "set the clock right" {
		t.Errorf("got %q, want the message alone", got)
	}
}

func TestBelowLengthensTheKey(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"webhooks[1].url: refused": Errorf("url", "refused"),
		"webhooks[1]: refused":     errors.New("refused"),
		"webhooks[1]: no key":      Errorf("", "no key"),
	} {
		if got := Below("webhooks[1]", err).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
