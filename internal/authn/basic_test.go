package authn

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/secret"
)

func TestAPasswordIsVerifiedOnceAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		for range 100 {
			if identity, _ := ask(t, f.Authenticator, basic("alice", "right")); identity.Username != "alice" {
				t.Fatalf("got %+v, want alice", identity)
			}
		}
		if got := f.verifier.count.Load(); got != 1 {
			t.Errorf("verified %d times in a moment, want once", got)
		}
		time.Sleep(f.opts.Config.Basic.Remember)
		ask(t, f.Authenticator, basic("alice", "right"))
		if got := f.verifier.count.Load(); got != 2 {
			t.Errorf("verified %d times after basic.remember, want twice", got)
		}
		ask(t, f.Authenticator, basic("alice", "wrong"))
		if got := f.verifier.count.Load(); got != 3 {
			t.Errorf("verified %d times with another password, want three times", got)
		}
	})
}

func TestARememberedPasswordDiesWithItsHash(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ask(t, f.Authenticator, basic("alice", "right"))
	f.users = list{"alice": newUser("alice", "new")}
	changed := f.again(t)
	if identity, _ := ask(t, changed, basic("alice", "right")); !identity.Anonymous() {
		t.Errorf("got %+v with the old password, want nobody", identity)
	}
	if identity, _ := ask(t, changed, basic("alice", "new")); identity.Username != "alice" {
		t.Errorf("got %+v with the new password, want alice", identity)
	}
}

func TestAUserEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) {
			user := newUser("alice", "right")
			user.Expires = time.Now().Add(10 * time.Second)
			f.users = list{"alice": user}
		})
		if identity, _ := ask(t, f.Authenticator, basic("alice", "right")); identity.Username != "alice" {
			t.Fatalf("got %+v before the end, want alice", identity)
		}
		time.Sleep(10 * time.Second) // the password is still remembered
		if identity, outcome := ask(t, f.Authenticator, basic("alice", "right")); !identity.Anonymous() || !outcome.Rejected {
			t.Errorf("got %+v, %+v after the end, want nobody", identity, outcome)
		}
	})
}

func TestARushOfOneCredentialIsVerifiedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) { f.verifier.gate = make(chan struct{}) })
		var work sync.WaitGroup
		for range 200 { // more than a client may be wrong
			work.Go(func() {
				if identity, _ := ask(t, f.Authenticator, basic("alice", "right")); identity.Username != "alice" {
					t.Errorf("got %+v, want alice", identity)
				}
			})
		}
		synctest.Wait()
		close(f.verifier.gate)
		work.Wait()
		if got := f.verifier.count.Load(); got != 1 {
			t.Errorf("verified %d times, want once", got)
		}
	})
}

func TestPasswordsWaitInABoundedQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) {
			f.verifier.gate = make(chan struct{})
			f.opts.Config.Basic.MaxConcurrent = 2
			f.opts.Config.Throttle.Failures = 0
		})
		ctx, leave := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for i := range 2 + maxWaiting {
			work.Go(func() {
				if _, _, err := f.Authenticate(ctx, basic("alice", fmt.Sprint(i))); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("got error %v, want a place or a cancellation", err)
				}
			})
		}
		synctest.Wait()
		if got := f.verifier.count.Load(); got != 2 {
			t.Errorf("%d are verified at once, want 2", got)
		}
		if _, _, err := f.Authenticate(t.Context(), basic("alice", "one more")); !errors.Is(err, access.ErrSignInBusy) {
			t.Errorf("got error %v with a full queue, want %v", err, access.ErrSignInBusy)
		}
		if f.attempts(Basic, busy) != 1 {
			t.Error("the full queue was not counted")
		}
		leave()
		work.Wait()     // nobody waits any more
		synctest.Wait() // and nobody is in the queue
		f.verifier.gate <- struct{}{}
		f.verifier.gate <- struct{}{}
		synctest.Wait()
		if got := f.verifier.count.Load(); got != 2 {
			t.Errorf("%d were verified, want only the two that had begun", got)
		}
	})
}

func TestWrongPasswordsAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) {
			f.users = list{"alice": newUser("alice", "right"), "bob": newUser("bob", "right")}
		})
		wrong := func(c Credentials) error {
			_, _, err := f.Authenticate(t.Context(), c)
			return err
		}
		for i := range f.opts.Config.Throttle.Failures {
			must(t, wrong(basic("alice", fmt.Sprint(i))))
			time.Sleep(time.Second)
		}
		var limit *access.ThrottledError
		if err := wrong(basic("alice", "right")); !errors.As(err, &limit) || !errors.Is(err, access.ErrThrottled) || limit.RetryAfter != 50*time.Second {
			t.Fatalf("got error %v %+v, want that 50s must pass", err, limit)
		}
		if f.attempts(Basic, throttled) != 1 {
			t.Error("the refused attempt was not counted")
		}
		must(t, wrong(basic("bob", "right"))) // another user from there
		elsewhere := basic("alice", "right")
		elsewhere.Client = netip.MustParseAddr("198.51.100.1")
		must(t, wrong(elsewhere)) // the same user from elsewhere
		time.Sleep(limit.RetryAfter)
		if identity, _ := ask(t, f.Authenticator, basic("alice", "right")); identity.Username != "alice" {
			t.Errorf("got %+v after the window, want alice", identity)
		}
	})
}

func TestAGuesserCannotChangeTheName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		limit := sprayed * f.opts.Config.Throttle.Failures
		for i := range limit + 1 {
			// Any address of the /64 is the same client.
			c := basic(fmt.Sprint("user", i), "guess")
			c.Client = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
			_, _, err := f.Authenticate(t.Context(), c)
			if throttled := errors.Is(err, access.ErrThrottled); throttled != (i == limit) {
				t.Fatalf("attempt %d: got error %v", i, err)
			}
		}
	})
}

func TestAThousandGuessesAtOnceAreAThousand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) { f.verifier.gate = make(chan struct{}) })
		var work sync.WaitGroup
		for i := range 200 {
			work.Go(func() { _, _, _ = f.Authenticate(t.Context(), basic("alice", fmt.Sprint(i))) })
		}
		synctest.Wait()
		close(f.verifier.gate)
		work.Wait()
		if got := f.verifier.count.Load(); got != int64(f.opts.Config.Throttle.Failures) {
			t.Errorf("%d guesses were verified, want %d", got, f.opts.Config.Throttle.Failures)
		}
	})
}

// TestMemoryUnderWrongPasswords is 12 seconds of 10,000 wrong passwords a second, each of another
// client for another user.
func TestMemoryUnderWrongPasswords(t *testing.T) {
	f := newFixture(t, nil)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	attack := func(from, n int) {
		for i := range n {
			c := basic(fmt.Sprint("user", from+i), "guess")
			c.Client = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			_, _, _ = f.Authenticate(t.Context(), c)
		}
	}
	before := heap()
	attack(0, 60_000)
	full := heap()
	attack(60_000, 60_000)
	after := heap()
	t.Logf("heap: %d KiB before, %d KiB after 6 s, %d KiB after 12 s", before>>10, full>>10, after>>10)
	if after > before+32<<20 {
		t.Errorf("the heap grew by %d MiB, want at most 32", (after-before)>>20)
	}
	if after > full+6<<20 {
		t.Errorf("the heap still grew after 60,000 attempts, from %d to %d bytes", full, after)
	}
}

// recorded are users, and the hashes that passwords were verified against.
type recorded struct {
	*Directory
	hashes []string
}

func (r *recorded) Verify(hash, password string) (ok, rehash bool, err error) {
	r.hashes = append(r.hashes, hash)
	return r.Directory.Verify(hash, password)
}

// costOf is all of a hash that decides how long a verification takes: its parameters, and how long salt and sum
// are.
func costOf(hash string) string {
	parts := strings.Split(hash, "$")
	return fmt.Sprint(parts[:4], len(parts[4]), len(parts[5]))
}

// TestAbsentUsersCostTheSameTime wants one verification of each attempt, as costly as that of a user who is there.
func TestAbsentUsersCostTheSameTime(t *testing.T) {
	t.Parallel()
	const hash = "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$JHP+3w2PUJ5VQtxDHCjdoAAEC+JztcwU/LWpmtUl7XQ"
	directory, err := NewDirectory([]UserConfig{
		{Name: "alice", PasswordHash: secret.New(hash)}, {Name: "former", PasswordHash: secret.New(hash), Expires: "2001-01-01"},
	}, nil)
	must(t, err)
	users := &recorded{Directory: directory}
	f := newFixture(t, func(f *fixture) {
		f.opts.Users = users
		f.opts.Config.Throttle.Failures = 0
	})
	for _, user := range []string{"alice", "mallory", "", strings.Repeat("m", 1000), "former"} {
		users.hashes = nil
		for i := range 3 {
			if identity, _ := ask(t, f.Authenticator, basic(user, fmt.Sprint("guess", i))); !identity.Anonymous() {
				t.Errorf("%.10q: got %+v, want nobody", user, identity)
			}
		}
		if len(users.hashes) != 3 {
			t.Errorf("%.10q: %d passwords were verified, want each of 3", user, len(users.hashes))
		}
		for _, verified := range users.hashes {
			if got, want := costOf(verified), costOf(hash); got != want {
				t.Errorf("%.10q: a password was verified at the cost of %s, want %s", user, got, want)
			}
		}
	}
}

func TestAWeakHashIsReportedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(f *fixture) {
		f.users = list{"alice": newUser("alice", "weak")}
		f.opts.Config.Basic.Remember = 0
	})
	for range 3 {
		ask(t, f.Authenticator, basic("alice", "weak"))
	}
	if got := countLines(f.log.String(), "weak hash"); got != 1 {
		t.Errorf("got %d lines, want one:\n%s", got, f.log)
	}
}

func TestAHashThatCannotBeUsedIsTheServersFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(f *fixture) {
		f.opts.Users = listed{f.users, func(string, string) (bool, bool, error) { return true, false, errors.New("broken") }}
	})
	if identity, outcome := ask(t, f.Authenticator, basic("alice", "right")); !identity.Anonymous() || !outcome.Rejected {
		t.Errorf("got %+v, %+v, want nobody", identity, outcome)
	}
	if countLines(f.log.String(), "cannot be used") != 1 {
		t.Errorf("the log does not tell:\n%s", f.log)
	}
}
