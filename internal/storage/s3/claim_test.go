package s3_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// patience bounds how long a test waits for what must happen.
const patience = 20 * time.Second

// TestClaimThatIsTakenOver ends the context of the holder who was away for too long.
func TestClaimThatIsTakenOver(t *testing.T) {
	t.Parallel()
	s := create(t, s3test.Config(t))
	s.SetLease(time.Minute, 20*time.Millisecond)
	held, release, err := s.Claim(t.Context(), "name", "the first")
	must(t, err)
	must(t, s3.WriteRecord(t.Context(), s, "_locks/name", []byte("the second")))
	wantEnd(t, held)
	if cause := context.Cause(held); cause == nil || errors.Is(cause, context.Canceled) {
		t.Errorf("the claim ended because of %v, want that it was lost", cause)
	}
	release()
	wantHeld(t, s, "name", "the second") // release takes nothing from the next holder
}

// TestClaimOfACrashedProcess is free when it was not renewed for long enough; one that is renewed is not.
func TestClaimOfACrashedProcess(t *testing.T) {
	t.Parallel()
	cfg := s3test.Config(t)
	a, b := create(t, cfg), create(t, cfg)
	a.SetLease(time.Second, 100*time.Millisecond)
	b.SetLease(time.Second, 100*time.Millisecond)
	held, release, err := a.Claim(t.Context(), "renewed", "lives")
	must(t, err)
	t.Cleanup(release)
	must(t, s3.WriteRecord(t.Context(), a, "_locks/crashed", []byte("crashed")))
	wantHeld(t, b, "crashed", "crashed")
	deadline := time.Now().Add(patience)
	for {
		_, release, err := b.Claim(t.Context(), "crashed", "next")
		if err == nil {
			t.Cleanup(release)
			break
		}
		var claimed *storage.ClaimedError
		if !errors.As(err, &claimed) || time.Now().After(deadline) {
			t.Fatalf("claim of a crashed process: %v", err)
		}
	}
	wantHeld(t, a, "crashed", "next")
	wantHeld(t, b, "renewed", "lives")
	must(t, held.Err())
}

// TestClaimWithoutAService ends before another process could take it over.
func TestClaimWithoutAService(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if down.Load() {
				panic(http.ErrAbortHandler)
			}
			service.ServeHTTP(w, r)
		})
	})
	cfg.MaxAttempts = 1
	s := create(t, cfg)
	s.SetLease(500*time.Millisecond, 50*time.Millisecond)
	held, release, err := s.Claim(t.Context(), "name", "")
	must(t, err)
	down.Store(true)
	wantEnd(t, held)
	release()
}

// TestClaimEndsWithTheStore, so that another process need not wait for its age.
func TestClaimEndsWithTheStore(t *testing.T) {
	t.Parallel()
	cfg := s3test.Config(t)
	a, b := create(t, cfg), create(t, cfg)
	held, _, err := a.Claim(t.Context(), "name", "")
	must(t, err)
	must(t, a.Close())
	wantEnd(t, held)
	_, release, err := b.Claim(t.Context(), "name", "")
	must(t, err)
	release()
}

func wantEnd(t *testing.T, held context.Context) {
	t.Helper()
	select {
	case <-held.Done():
	case <-time.After(patience):
		t.Fatal("the context of the claim did not end")
	}
}

func wantHeld(t *testing.T, s *s3.Store, name, note string) {
	t.Helper()
	_, _, err := s.Claim(t.Context(), name, "")
	var claimed *storage.ClaimedError
	if !errors.As(err, &claimed) || claimed.Note != note {
		t.Errorf("claim of %s: %v, want that %q holds it", name, err, note)
	}
}
