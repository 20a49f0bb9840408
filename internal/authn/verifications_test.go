package authn

import (
	"sync"
	"testing"
	"testing/synctest"
)

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
