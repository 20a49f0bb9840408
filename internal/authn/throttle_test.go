package authn

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/access"
)

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

// TestARightPasswordForgivesNoOtherName: a guesser who has a password of their own may use it between the guesses.
func TestARightPasswordForgivesNoOtherName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) { f.opts.Config.Basic.Remember = 0 })
		for i := range sprayed * f.opts.Config.Throttle.Failures {
			if _, _, err := f.Authenticate(t.Context(), basic(fmt.Sprint("user", i), "guess")); err != nil {
				t.Fatalf("guess %d: got error %v", i, err)
			}
			if i < sprayed*f.opts.Config.Throttle.Failures-1 { // then the address has failed too often itself
				ask(t, f.Authenticator, basic("alice", "right"))
			}
		}
		if _, _, err := f.Authenticate(t.Context(), basic("one more", "guess")); !errors.Is(err, access.ErrThrottled) {
			t.Errorf("got error %v for one guess more than an address has, want that it waits", err)
		}
	})
}

// TestARightPasswordDoesNotWaitForWrongOnes: neither for those of its own user from its own address, nor for those
// of others that wait to be verified.
func TestARightPasswordDoesNotWaitForWrongOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(f *fixture) { f.opts.Config.Basic.MaxConcurrent = 1 })
		used := func(what string) {
			t.Helper()
			if identity, _, err := f.Authenticate(t.Context(), basic("alice", "right")); err != nil || identity.Username != "alice" {
				t.Errorf("%s: got %+v, %v, want alice", what, identity, err)
			}
		}
		used("at first")
		for range 5 { // windows, in each of which it is forgotten twice over
			for i := range f.opts.Config.Throttle.Failures {
				_, _, err := f.Authenticate(t.Context(), basic("alice", fmt.Sprint("wrong", i)))
				must(t, err)
			}
			time.Sleep(f.opts.Config.Throttle.Window - time.Second)
			used("while the window is closed")
			if _, _, err := f.Authenticate(t.Context(), basic("alice", "wrong")); !errors.Is(err, access.ErrThrottled) {
				t.Fatalf("got error %v for a wrong password, want that it waits", err)
			}
			time.Sleep(f.opts.Config.Throttle.Window)
		}
		f.verifier.gate = make(chan struct{})
		var work sync.WaitGroup
		for i := range maxWaiting + 1 {
			c := basic("alice", fmt.Sprint("wrong", i))
			c.Client = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			work.Go(func() { _, _, _ = f.Authenticate(t.Context(), c) })
		}
		synctest.Wait()
		used("while the queue is full")
		close(f.verifier.gate)
		work.Wait()
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
