package authn

import (
	"testing"
	"time"
)

// BenchmarkRemembered is what most requests cost: a credential that was verified before.
func BenchmarkRemembered(b *testing.B) {
	i := newIssuer(b)
	f := withIssuer(b, i, nil)
	f.opts.Config.Basic.Remember = time.Hour
	f.opts.Config.Token.TTL = time.Hour
	a := f.again(b)
	theirs := i.token(b, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
	for _, bb := range []struct {
		name   string
		header []string
	}{
		{"nobody", nil},
		{"basic", []string{basicHeader("alice", "right")}},
		{"token", []string{"Bearer " + tokenFor(b, a, basic("alice", "right")).Token}},
		{"anonymous-token", []string{"Bearer " + tokenFor(b, a, Credentials{}).Token}},
		{"oidc", []string{"Bearer " + theirs}},
		{"oidc-as-password", []string{basicHeader("ci", theirs)}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := get(bb.header...)
			b.ReportAllocs()
			for b.Loop() {
				if _, outcome, err := a.AuthenticateRequest(r); err != nil || outcome.Rejected {
					b.Fatal(outcome, err)
				}
			}
		})
	}
}

// BenchmarkVerify is what a token costs the first time.
func BenchmarkVerify(b *testing.B) {
	i := newIssuer(b)
	f := withIssuer(b, i, nil)
	theirs := i.token(b, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
	ours := tokenFor(b, f.Authenticator, basic("alice", "right")).Token
	b.Run("token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.verifyOwn(b.Context(), ours); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("oidc", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.providers[0].verify(b.Context(), theirs); err != nil {
				b.Fatal(err)
			}
		}
	})
}
