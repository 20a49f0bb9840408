package authn

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/access"
)

func TestWhatARequestShows(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := tokenFor(t, f.Authenticator, basic("alice", "right")).Token
	nobody := tokenFor(t, f.Authenticator, Credentials{}).Token
	tests := []struct {
		name    string
		headers []string
		user    string
		want    Outcome
		err     error
	}{
		{name: "nothing is nobody"},
		{name: "an empty header is nobody", headers: []string{""}},
		{name: "empty Basic credentials are nobody", headers: []string{basicHeader("", "")}},
		{name: "Basic without anything is nobody", headers: []string{"Basic"}},
		{name: "Bearer without a token is nobody", headers: []string{"Bearer "}},
		{name: "a password that is right", headers: []string{basicHeader("alice", "right")}, user: "alice", want: acceptedBy(Basic, time.Time{})},
		{name: "a scheme in other letters", headers: []string{"bASIC" + basicHeader("alice", "right")[5:]}, user: "alice", want: acceptedBy(Basic, time.Time{})},
		{name: "a password that is wrong", headers: []string{basicHeader("alice", "wrong")}, want: rejectedFor(errPassword)},
		{name: "a password without a user", headers: []string{basicHeader("", "right")}, want: rejectedFor(errPassword)},
		{name: "a user who does not exist", headers: []string{basicHeader("bob", "right")}, want: rejectedFor(errPassword)},
		{name: "a token of our own", headers: []string{"Bearer " + token}, user: "alice", want: acceptedBy(Token, time.Time{})},
		{name: "a token of nobody is accepted", headers: []string{"Bearer " + nobody}, want: acceptedBy(Token, time.Time{})},
		{name: "a token that is none", headers: []string{"Bearer x"}, want: rejectedFor(errToken)},
		{name: "a scheme that nobody knows", headers: []string{"Digest x"}, want: rejectedFor(errScheme)},
		{name: "base64 that is none", headers: []string{"Basic ???"}, want: rejectedFor(errMalformed)},
		{name: "Basic without a colon", headers: []string{"Basic YWxpY2U="}, want: rejectedFor(errMalformed)},
		{name: "two headers are refused", headers: []string{basicHeader("alice", "right"), "Bearer x"}, err: errTwoCredentials},
		{name: "two equal headers are refused, too", headers: []string{"Bearer x", "Bearer x"}, err: errTwoCredentials},
		{name: "a megabyte of token is refused", headers: []string{"Bearer " + strings.Repeat("x", 1<<20)}, err: errTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			identity, outcome, err := f.AuthenticateRequest(get(tt.headers...))
			if !errors.Is(err, tt.err) || (err != nil) != (tt.err != nil) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if ends := !outcome.Until.IsZero(); ends != (tt.want.Method == Token) {
				t.Errorf("got an end at %s, want one of tokens alone", outcome.Until)
			}
			outcome.Until = time.Time{}
			if outcome != tt.want || identity.Username != tt.user || identity.ID != tt.user || identity.Anonymous() != (tt.user == "") {
				t.Errorf("got %+v, %+v, want user %q and %+v", identity, outcome, tt.user, tt.want)
			}
			if identity.ClientIP != client {
				t.Errorf("got the client %s, want %s", identity.ClientIP, client)
			}
		})
	}
}

func TestInvalidCredentialsMayBeRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(f *fixture) { f.opts.Config.InvalidCredentials = "reject" })
	for _, c := range []Credentials{basic("alice", "wrong"), bearer("x"), {scheme: schemeOther}} {
		if _, outcome, err := f.Authenticate(t.Context(), c); !errors.Is(err, access.ErrInvalidCredentials) || !outcome.Rejected {
			t.Errorf("got %+v, %v, want %v", outcome, err, access.ErrInvalidCredentials)
		}
	}
	if _, outcome := ask(t, f.Authenticator, Credentials{}); outcome.Rejected {
		t.Error("nobody was rejected")
	}
}

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

// TestWhereNobodyCanSignInAnAuthorizationHeaderIsNotForUs: a proxy that asks for a password of its own sends it on.
func TestWhereNobodyCanSignInAnAuthorizationHeaderIsNotForUs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(f *fixture) {
		f.opts.Config = DefaultConfig()
		f.opts.Config.InvalidCredentials = "reject"
		f.opts.Config.Token.Enabled = false
	})
	for name, headers := range map[string][]string{
		"a password of the proxy": {"Basic YWxpY2U6cHJveHk="}, "a token": {"Bearer x"}, "another scheme": {"Negotiate x"},
		"no credential at all": {"Basic ?"}, "two": {"Basic YWxpY2U6cHJveHk=", "Bearer x"},
	} {
		for range 20 { // nobody is throttled either
			identity, outcome, err := f.AuthenticateRequest(get(headers...))
			if err != nil || !identity.Anonymous() || outcome.Rejected {
				t.Fatalf("%s: got %v, %v and %v, want an anonymous request", name, identity, outcome, err)
			}
		}
	}
}
