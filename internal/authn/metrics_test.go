package authn

import (
	"testing"
	"time"
)

func TestAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := tokenFor(t, f.Authenticator, basic("alice", "right")).Token
	for range 2 {
		ask(t, f.Authenticator, bearer(token))
	}
	ask(t, f.Authenticator, basic("alice", "wrong"))
	ask(t, f.Authenticator, bearer("x"))
	ask(t, f.Authenticator, Credentials{scheme: schemeOther})
	ask(t, f.Authenticator, Credentials{Certificate: newClientCertificate(time.Now().Add(time.Hour))})
	for _, want := range []struct {
		method Method
		result result
		count  float64
	}{{Basic, accepted, 1}, {Basic, rejected, 1}, {Token, accepted, 2}, {Token, rejected, 1}, {None, rejected, 1}, {MTLS, accepted, 1}} {
		if got := f.attempts(want.method, want.result); got != want.count {
			t.Errorf("%s %s: got %v, want %v", want.method, resultNames[want.result], got, want.count)
		}
	}
}
