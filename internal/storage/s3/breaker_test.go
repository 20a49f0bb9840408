package s3_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// switches collects what a Store tells of its breaker.
type switches struct {
	mu   sync.Mutex
	seen []bool
}

func (s *switches) note(open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, open)
}

func (s *switches) all() []bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]bool(nil), s.seen...)
}

// TestTheBreakerOpensAndCloses: a dead service costs no time, and one that is back is found out.
func TestTheBreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	cfg, faults := s3test.Faulty(t, impatient(s3test.Config(t)))
	cfg.Breaker.Failures, cfg.Breaker.Cooldown = 3, 300*time.Millisecond
	var told switches
	store, err := s3.New(t.Context(), cfg, s3.Options{Section: section, Breaker: told.note})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ctx := t.Context()
	faults.Down()
	for range cfg.Breaker.Failures {
		wantTrouble(t, s3.LoadRecord(ctx, store, "a"), "endpoint", "nobody listens")
	}
	begun := time.Now()
	err = s3.LoadRecord(ctx, store, "a")
	wantUnavailable(t, err)
	if !strings.Contains(err.Error(), "given a rest") || time.Since(begun) > 50*time.Millisecond {
		t.Errorf("with an open breaker it took %s and is %v, want at once, and that it rests", time.Since(begun), err)
	}
	faults.Heal()
	for deadline := time.Now().Add(10 * time.Second); s3.LoadRecord(ctx, store, "a") != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the breaker stays open")
		}
	}
	if got := told.all(); len(got) != 2 || !got[0] || got[1] {
		t.Errorf("it told %v, want that it opened and that it closed, once each", got)
	}
}

// TestRefusalsOpenNoBreaker: what a service refuses it has answered.
func TestRefusalsOpenNoBreaker(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(refusal(403, "AccessDenied", "no"))
	t.Cleanup(server.Close)
	cfg := at(server.URL)
	cfg.Breaker.Failures = 1
	store := open(t, cfg)
	for range 5 {
		wantTrouble(t, s3.LoadRecord(t.Context(), store, "a"), "access_key_id", "s3:GetObject")
	}
}

// TestAClientThatGoesAwayOpensNoBreaker.
func TestAClientThatGoesAwayOpensNoBreaker(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	cfg := at(server.URL)
	cfg.Breaker.Failures = 1
	store := open(t, cfg)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		err := s3.LoadRecord(ctx, store, "a")
		var away *storage.UnavailableError
		if !errors.Is(err, context.Canceled) || errors.As(err, &away) {
			t.Fatalf("error is %v, want context.Canceled alone", err)
		}
	}
}

// TestAHalfOpenBreakerLetsOneThrough, and that one is not tried again.
func TestAHalfOpenBreakerLetsOneThrough(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		refusal(503, "SlowDown", "no").ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	cfg := impatient(at(server.URL))
	cfg.Breaker.Failures, cfg.Breaker.Cooldown = 1, 100*time.Millisecond
	store := open(t, cfg)
	wantUnavailable(t, s3.LoadRecord(t.Context(), store, "a"))
	before := asked.Load()
	for deadline := time.Now().Add(10 * time.Second); asked.Load() == before; {
		wantUnavailable(t, s3.LoadRecord(t.Context(), store, "a"))
		if time.Now().After(deadline) {
			t.Fatal("nothing is let through")
		}
	}
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() { _ = s3.LoadRecord(t.Context(), store, "a") })
	}
	work.Wait()
	if got := asked.Load() - before; got != 1 {
		t.Errorf("the service was asked %d times, want once", got)
	}
}

// TestSigningIsNoSignOfLife: who signs a URL asks nobody, so it neither needs the service nor says how that is.
func TestSigningIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		refusal(503, "SlowDown", "no").ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	cfg := impatient(at(server.URL))
	cfg.Breaker.Failures, cfg.Breaker.Cooldown = 2, time.Hour
	store := open(t, cfg)
	key := storage.DataKey(`1:00112233445566778899aabbccddeeff:_bytes/u~1`)
	sign := func() {
		t.Helper()
		if _, err := store.Presign(t.Context(), key, storage.PresignOptions{Expires: time.Minute}); err != nil {
			t.Errorf("presign: %v", err)
		}
	}
	wantUnavailable(t, s3.LoadRecord(t.Context(), store, "a"))
	sign() // between two failures in a row
	wantUnavailable(t, s3.LoadRecord(t.Context(), store, "a"))
	before := asked.Load()
	sign() // while the breaker is open
	wantUnavailable(t, s3.LoadRecord(t.Context(), store, "a"))
	if asked.Load() != before {
		t.Error("the service was asked: signing closed the breaker")
	}
}
