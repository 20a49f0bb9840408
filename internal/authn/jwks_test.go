package authn

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestOldKeysAreFetchedAnewBesideTheRequest(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	f := withIssuer(t, i, nil)
	must(t, f.Prepare(t.Context()))
	token := i.token(t, nil)
	i.rotate("two", newEC(t)) // and the first key is withdrawn
	keys := f.providers[0].keys
	keys.mu.Lock()
	keys.fetched = time.Now().Add(-2 * keysAge)
	keys.mu.Unlock()
	if identity, _ := ask(t, f.Authenticator, bearer(token)); identity.Anonymous() {
		t.Error("got nobody while the keys are fetched, want the token's subject")
	}
	_, _, _ = keys.fetching.Do("", func() (any, error) { return nil, nil }) // waits for the fetch that runs
	if _, outcome := ask(t, f.Authenticator, bearer(signed(t, newRSA(), "one", i.claims(map[string]any{"jti": "2"}), nil))); !outcome.Rejected {
		t.Errorf("got %+v with a key that was withdrawn, want that it is refused", outcome)
	}
}

func TestFetchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := newKeySet(keySource{}, nil, nil)
		n := 0
		for range 600 { // a minute of ten tokens a second
			if set.allowed(time.Now()) {
				n++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if want := fetchBurst + 5; n != want {
			t.Errorf("got %d fetches in a minute, want %d", n, want)
		}
	})
}
