package s3_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

func TestTombstonesAreSweptWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	cfg := server.Config(t)
	s := create(t, cfg)
	put(t, s, "live", "x")
	put(t, s, "condemned", "x")
	must(t, s.Condemn(t.Context(), "condemned"))
	put(t, s, "deleted", "x")
	must(t, s.Delete(t.Context(), "deleted", storage.DeleteOptions{}))
	put(t, s, "destroyed", "x")
	must(t, s.Condemn(t.Context(), "destroyed"))
	must(t, s.Destroy(t.Context(), "destroyed", storage.DeleteOptions{}))
	_, release, err := s.Claim(t.Context(), "name", "")
	must(t, err)
	release()
	for _, tt := range []struct {
		age   time.Duration
		swept int
		left  string
	}{
		{24 * time.Hour, 0, "_locks/name condemned deleted destroyed live"},
		{0, 3, "condemned live"},
		{0, 0, "condemned live"},
	} {
		s.SetTombstoneAge(tt.age)
		if n, err := s.Sweep(t.Context(), 0); n != tt.swept || err != nil {
			t.Errorf("sweep of tombstones of %s = %d, %v, want %d", tt.age, n, err, tt.swept)
		}
		if left := strings.Join(keys(t, server, cfg, ""), " "); left != tt.left {
			t.Errorf("what lies there is %q, want %q", left, tt.left)
		}
	}
}

// TestTombstonesStayWhereADeleteKnowsNoCondition: somebody may be making the object anew.
func TestTombstonesStayWhereADeleteKnowsNoCondition(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s := create(t, server.Unconditional(t, server.Config(t)))
	put(t, s, "deleted", "x")
	must(t, s.Delete(t.Context(), "deleted", storage.DeleteOptions{}))
	s.SetTombstoneAge(0)
	if n, err := s.Sweep(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("sweep = %d, %v, want that the tombstone stays", n, err)
	}
}

// TestDestroyThatWasCutShort is finished by Sweep: the bytes go, and nothing else.
func TestDestroyThatWasCutShort(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	direct := server.Config(t)
	var broken atomic.Bool
	cfg := s3test.Proxied(t, direct, func(service http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken.Load() && r.Method == http.MethodDelete {
				panic(http.ErrAbortHandler)
			}
			service.ServeHTTP(w, r)
		})
	})
	cfg.MaxAttempts = 1
	s := create(t, cfg)
	for _, key := range []string{"goes", "stays"} {
		must(t, s.CreateUpload(t.Context(), key, nil))
		u := openUpload(t, s, key)
		appendTo(t, u, []byte(key))
		commit(t, u, key)
	}
	must(t, s.Condemn(t.Context(), "goes"))
	broken.Store(true)
	if err := s.Destroy(t.Context(), "goes", storage.DeleteOptions{}); err == nil {
		t.Fatal("a destroy without its delete is told as done")
	}
	if got := condemnedKeys(t, s); len(got) > 0 {
		t.Errorf("condemned are %q, want none", got)
	}
	broken.Store(false)
	s.SetTombstoneAge(0)
	must(t, second(s.Sweep(t.Context(), 0)))
	must(t, second(s.Sweep(t.Context(), 0)))
	wantObject(t, s, "stays", []byte("stays"))
	if left := keys(t, server, direct, "_bytes/"); len(left) != 1 || !strings.HasPrefix(left[0], "_bytes/stays") {
		t.Errorf("the bytes that lie there are %q, want those of stays alone", left)
	}
	if all := keys(t, server, direct, ""); slices.Contains(all, "goes") {
		t.Errorf("what lies there is %q, want no tombstone of what went", all)
	}
}

func condemnedKeys(t testing.TB, s *s3.Store) (all []string) {
	t.Helper()
	for d, err := range s.Condemned(t.Context(), "") {
		must(t, err)
		all = append(all, d.Key)
	}
	return all
}
