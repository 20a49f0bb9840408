package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// impatient is a config whose time-outs a test can wait for.
func impatient(cfg s3.Config) s3.Config {
	cfg.AttemptTimeout, cfg.Timeout = 300*time.Millisecond, 5*time.Second
	cfg.MaxAttempts = 2
	cfg.Breaker.Failures = 0
	return cfg
}

// wantUnavailable wants the error of an outage.
func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var away *storage.UnavailableError
	if !errors.As(err, &away) || away.RetryAfter < time.Second {
		t.Fatalf("error is %v, want an UnavailableError that says when to come again", err)
	}
}

// TestAFaultyConnection breaks the way to a real service, wants to be told, and heals it.
func TestAFaultyConnection(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for name, harm := range map[string]func(*s3test.Faults){
		"nobody listens":            (*s3test.Faults).Down,
		"nothing comes back":        (*s3test.Faults).Hang,
		"connections are reset":     (*s3test.Faults).Reset,
		"answers are late":          func(f *s3test.Faults) { f.Slow(time.Second) },
		"answers are cut off":       func(f *s3test.Faults) { f.CutAnswers(20) },
		"requests are cut off":      func(f *s3test.Faults) { f.CutRequests(100) },
		"large requests are cut":    func(f *s3test.Faults) { f.CutRequests(100 << 10) },
		"heads of answers come cut": func(f *s3test.Faults) { f.CutAnswers(1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, faults := s3test.Faulty(t, impatient(server.Config(t)))
			store := open(t, cfg)
			if err := s3.WriteRecord(t.Context(), store, "before", large); err != nil {
				t.Fatal(err)
			}
			harm(faults)
			begun := time.Now()
			wantUnavailable(t, s3.WriteRecord(t.Context(), store, "during", large))
			if took := time.Since(begun); took > cfg.Timeout {
				t.Errorf("it took %s, want at most %s", took, cfg.Timeout)
			}
			faults.Heal()
			if err := s3.WriteRecord(t.Context(), store, "after", large); err != nil {
				t.Errorf("after it healed: %v", err)
			}
			if err := s3.LoadRecord(t.Context(), store, "before"); err != nil {
				t.Errorf("after it healed: %v", err)
			}
		})
	}
}

// TestAnAnswerCutInItsBodyIsAnError: a short object is never taken for a whole one, and the service is away.
func TestAnAnswerCutInItsBodyIsAnError(t *testing.T) {
	t.Parallel()
	cfg, faults := s3test.Faulty(t, impatient(s3test.Config(t)))
	store := open(t, cfg)
	if err := s3.WriteRecord(t.Context(), store, "large", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	faults.CutAnswers(200 << 10)
	wantUnavailable(t, s3.LoadRecord(t.Context(), store, "large"))
	faults.Heal()
	faults.Slow(200 * time.Millisecond)
	if err := s3.LoadRecord(t.Context(), store, "large"); err != nil {
		t.Errorf("a slow answer: %v", err)
	}
}

// TestAnAnswerThatIsCutOffIsAskedForAgain cuts each first answer about a record, and of a listing.
func TestAnAnswerThatIsCutOffIsAskedForAgain(t *testing.T) {
	t.Parallel()
	var harm atomic.Bool
	var cuts atomic.Int64
	cfg := s3test.Proxied(t, s3test.Config(t), func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !harm.CompareAndSwap(true, false) {
				service.ServeHTTP(w, r)
				return
			}
			whole := httptest.NewRecorder()
			service.ServeHTTP(whole, r)
			maps.Copy(w.Header(), whole.Header())
			w.Header().Set("Content-Length", strconv.Itoa(whole.Body.Len()))
			w.WriteHeader(whole.Code)
			_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
			cuts.Add(1)
			panic(http.ErrAbortHandler)
		})
	})
	store := open(t, cfg)
	if _, err := store.Put(t.Context(), "folder/a", []byte("content"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"get":  func() error { _, err := store.Get(t.Context(), "folder/a"); return err },
		"stat": func() error { _, err := store.Stat(t.Context(), "folder/a"); return err },
		"list": func() error {
			for entry, err := range store.List(t.Context(), "folder", storage.ListOptions{}) {
				if err != nil || entry.Name != "a" {
					return fmt.Errorf("got %v: %w", entry, err)
				}
			}
			return nil
		},
	} {
		before := cuts.Load()
		harm.Store(true)
		if err := ask(); err != nil || cuts.Load() != before+1 {
			t.Errorf("%s: %v with %d answers cut, want none and one", name, err, cuts.Load()-before)
		}
	}
}

// TestABodyThatStallsIsAnError and one that its reader lets wait is none.
func TestABodyThatStallsIsAnError(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Content-Length", "8")
		_, _ = io.WriteString(w, "1234")
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "5678")
	}))
	t.Cleanup(server.Close)
	client := s3.Client(open(t, impatient(at(server.URL))))
	read := func(before func()) (string, error) {
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("images"), Key: aws.String("a")}, s3.Streamed)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		before()
		b, err := io.ReadAll(out.Body)
		return string(b), err
	}
	if got, err := read(func() {}); err == nil || !strings.Contains(err.Error(), "no answer for 300ms") {
		t.Errorf("a body that stalls is %q, %v, want an error that says so", got, err)
	}
	close(goOn)
	got, err := read(func() { <-time.After(400 * time.Millisecond) }) // the reader's own pause is what is tried
	if got != "12345678" || err != nil {
		t.Errorf("a slow reader got %q, %v, want all", got, err)
	}
}

// TestFailuresThatPassAreTriedAgain plays a service that fails once.
func TestFailuresThatPassAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]http.Handler{
		"503 SlowDown":      refusal(503, "SlowDown", "reduce your rate"),
		"500 InternalError": refusal(500, "InternalError", "oops"),
		"502 of a proxy":    said{502, http.Header{"Content-Type": {"text/html"}}, "<html>"},
		"a connection that ends": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					first.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Etag", `"1"`)
			}))
			t.Cleanup(server.Close)
			if err := s3.WriteRecord(t.Context(), open(t, at(server.URL)), "a", []byte("x")); err != nil {
				t.Error(err)
			}
			if asked.Load() != 2 {
				t.Errorf("asked %d times, want twice", asked.Load())
			}
		})
	}
}

// TestManyFailuresDoNotEatTheRetriesOfOthers: the SDK's own client has a bucket of tokens for all of them.
func TestManyFailuresDoNotEatTheRetriesOfOthers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		first := asked[r.URL.Path] == 1
		mu.Unlock()
		if first {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Etag", `"1"`)
	}))
	t.Cleanup(server.Close)
	store := open(t, at(server.URL))
	var work sync.WaitGroup
	for range 100 {
		work.Go(func() {
			if err := s3.WriteRecord(t.Context(), store, "a"+time.Now().String(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
}

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
	place := storage.DataKey(`1:00112233445566778899aabbccddeeff:_bytes/u~1`)
	sign := func() {
		t.Helper()
		if _, err := store.Presign(t.Context(), place, storage.PresignOptions{Expires: time.Minute}); err != nil {
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

// TestNothingStaysBehind is not parallel: it looks at all goroutines.
func TestNothingStaysBehind(t *testing.T) {
	cfg, faults := s3test.Faulty(t, impatient(s3test.Config(t)))
	cfg.MaxAttempts = 1
	before := ours(t)
	store := open(t, cfg)
	for _, harm := range []func(){
		faults.Heal, faults.Hang, faults.Heal, faults.Reset, faults.Heal, faults.Down, faults.Heal, func() { faults.CutAnswers(300) },
	} {
		harm()
		for _, key := range []string{"a", "b"} {
			_ = s3.WriteRecord(t.Context(), store, key, make([]byte, 100<<10)) // some of it fails, as it must
			_ = s3.LoadRecord(t.Context(), store, key)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for ours(t) > before {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines of connections, want %d as before", ours(t), before)
		}
	}
}

// ours counts the goroutines that hold a connection to a service, or wait in this package.
func ours(t *testing.T) int {
	t.Helper()
	http.DefaultClient.CloseIdleConnections() // toxiproxy's
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		t.Fatal(err)
	}
	return strings.Count(all.String(), "persistConn).readLoop(") + strings.Count(all.String(), "internal/storage/s3.(")
}
