package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/snapshot"
)

// heldError says that another process holds a lock that this one needs.
type heldError struct{ message, hint string }

func (e *heldError) Error() string { return e.message }

// Hint says what to do.
func (e *heldError) Hint() string { return e.hint }

// holder is what a process that holds a claim tells the others: who it is, and since when.
func holder(now time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("process %d on %s, since %s", os.Getpid(), host, now.UTC().Format(time.RFC3339))
}

// claimToServe keeps two servers whose locks are in memory from sharing folders. Release may be called
// more than once.
func claimToServe(ctx context.Context, current *snapshot.Snapshot) (release func(), err error) {
	release, err = current.Claim(ctx, "serve", holder(time.Now()))
	var claimed *snapshot.ClaimedError
	if !errors.As(err, &claimed) {
		return release, err
	}
	by := claimed.Note
	if by == "" {
		by = "it has just started"
	}
	place, other := "the folder "+claimed.Root, "choose another folder with --data"
	if strings.HasPrefix(claimed.Root, "s3://") {
		place, other = claimed.Root, "choose another prefix in the config"
	}
	return nil, &heldError{message: fmt.Sprintf("another sreg serves %s: %s", place, by), hint: "stop it, or " + other}
}
