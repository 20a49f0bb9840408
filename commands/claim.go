package commands

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/storage"
)

// holder is what a process that holds a claim tells the others: who it is, and since when.
func holder(now time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("process %d on %s, since %s", os.Getpid(), host, now.UTC().Format(time.RFC3339))
}

// newClaims keeps servers from sharing stores whose locks do not know each other.
func newClaims(io IO, logger *slog.Logger) *snapshot.Claims {
	return snapshot.NewClaims(snapshot.ClaimOptions{
		Note:   holder(time.Now()),
		Logger: logger.With("module", "registry"),
		Waiting: func(by *snapshot.ClaimedError, most time.Duration) {
			io.warn(fmt.Sprintf("%s is claimed by another sreg: %s; if that died its claim ends within %s: waiting", by.Root, by.Note, most))
		},
	})
}

// refuseClaimed says who serves, and how to go on.
func refuseClaimed(claimed *snapshot.ClaimedError) error {
	place, other := "the folder "+claimed.Root, "choose another folder with --data"
	if strings.HasPrefix(claimed.Root, "s3://") {
		place, other = claimed.Root, "choose another prefix in the config"
	}
	hint := "stop it, or " + other
	switch {
	case claimed.Shares():
		hint = "set locks.type: redis here, too, to share it; or " + other
	case strings.HasPrefix(claimed.Root, "s3://"):
		hint += "; several may serve it if each sets locks.type: redis"
	}
	return &heldError{hintedError{fmt.Errorf("another sreg serves %s: %s", place, orJustStarted(claimed.Note)), hint}}
}

// asHeld says who holds the claim that err is about, and what that one does.
func asHeld(err error, does, hint string) error {
	var claimed *storage.ClaimedError
	if !errors.As(err, &claimed) {
		return err
	}
	return &heldError{hintedError{fmt.Errorf("%s: %s", does, orJustStarted(claimed.Note)), hint}}
}

// collecting is asHeld for the claim of a collector.
func collecting(err error) error {
	return asHeld(err, "another collector is at work", "wait for it; sreg gc status tells how the last run ended")
}

// orJustStarted is the note of a claim, which its holder writes behind the claim.
func orJustStarted(note string) string {
	if note == "" {
		return "it has just started"
	}
	return note
}
