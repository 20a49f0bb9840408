package s3_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

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
			_, err := w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
			// Without a flush nothing of the answer would go out, and it would be one that never came.
			if err := errors.Join(err, http.NewResponseController(w).Flush()); err != nil {
				t.Errorf("send half of an answer: %v", err)
			}
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
			var names []string
			for entry, err := range store.List(t.Context(), "folder", storage.ListOptions{}) {
				if err != nil {
					return err
				}
				names = append(names, entry.Name)
			}
			if !slices.Equal(names, []string{"a"}) {
				return fmt.Errorf("it lists %q, want a", names)
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
