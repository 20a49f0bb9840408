package authn

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/users"
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

// recorded are users, and the hashes that passwords were verified against.
type recorded struct {
	*Directory
	hashes []string
}

func (r *recorded) Verify(hash users.Hash, password string) bool {
	r.hashes = append(r.hashes, hash.Reveal())
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
	verified := &recorded{Directory: directory}
	f := newFixture(t, func(f *fixture) {
		f.opts.Users = verified
		f.opts.Config.Throttle.Failures = 0
	})
	for _, user := range []string{"alice", "mallory", "", strings.Repeat("m", 1000), "former"} {
		verified.hashes = nil
		for i := range 3 {
			if identity, _ := ask(t, f.Authenticator, basic(user, fmt.Sprint("guess", i))); !identity.Anonymous() {
				t.Errorf("%.10q: got %+v, want nobody", user, identity)
			}
		}
		if len(verified.hashes) != 3 {
			t.Errorf("%.10q: %d passwords were verified, want each of 3", user, len(verified.hashes))
		}
		for _, used := range verified.hashes {
			if got, want := costOf(used), costOf(hash); got != want {
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
