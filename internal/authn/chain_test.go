package authn

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
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

// newClientCertificate is as the handshake hands it on: verified, so who signed it does not matter here.
func newClientCertificate(end time.Time) *x509.Certificate {
	commonName := asn1.ObjectIdentifier{2, 5, 4, 3}
	return &x509.Certificate{
		Raw: []byte("certificate"), SerialNumber: big.NewInt(0xabc), NotAfter: end,
		Subject: pkix.Name{
			Organization: []string{"Acme", "Ops"}, CommonName: "second",
			Names: []pkix.AttributeTypeAndValue{{Type: commonName, Value: "first"}, {Type: commonName, Value: "second"}},
		},
		DNSNames: []string{"ci.acme.test"}, EmailAddresses: []string{"ci@acme.test"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
}

func withCertificate(r *http.Request, certificate *x509.Certificate) *http.Request {
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{certificate}}, PeerCertificates: []*x509.Certificate{certificate}}
	return r
}

func TestTheCertificateStandsBesideEverySignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	shown := newClientCertificate(time.Now().Add(time.Hour))
	want := access.Certificate{
		CommonNames: []string{"first", "second"}, Organizations: []string{"Acme", "Ops"}, DNSNames: []string{"ci.acme.test"},
		Emails: []string{"ci@acme.test"}, IPs: []string{"192.0.2.1"}, Serial: "abc",
	}
	for _, tt := range []struct {
		name   string
		header []string
		user   string
		want   Outcome
	}{
		{"alone", nil, "", acceptedBy(MTLS, shown.NotAfter)},
		{"with a password", []string{basicHeader("alice", "right")}, "alice", acceptedBy(Basic, shown.NotAfter)},
		{"with a password that is wrong", []string{basicHeader("alice", "wrong")}, "", Outcome{access.SignIn{Rejected: true, Reason: string(errPassword), Until: shown.NotAfter}, MTLS}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			identity, outcome, err := f.AuthenticateRequest(withCertificate(get(tt.header...), shown))
			must(t, err)
			want := want
			want.Fingerprint = identity.Certificate.Fingerprint // its form is looked at below
			if !reflect.DeepEqual(identity.Certificate, want) || identity.Username != tt.user || outcome != tt.want {
				t.Errorf("got %+v, %+v, want %+v of %q, %+v", identity, outcome, want, tt.user, tt.want)
			}
			if len(identity.Certificate.Fingerprint) != 64 {
				t.Errorf("got the fingerprint %q, want a SHA-256", identity.Certificate.Fingerprint)
			}
		})
	}
}

func TestACertificateThatNobodyVerifiedIsNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	r := withCertificate(get(), newClientCertificate(time.Now().Add(time.Hour)))
	r.TLS.VerifiedChains = nil
	identity, _, err := f.AuthenticateRequest(r)
	must(t, err)
	if !identity.Anonymous() {
		t.Errorf("got %+v, want nobody", identity)
	}
}

func TestACertificateEndsAlsoOnAnOpenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		c := Credentials{Certificate: newClientCertificate(time.Now().Add(time.Hour))}
		if identity, outcome := ask(t, f.Authenticator, c); identity.Anonymous() || outcome.Method != MTLS {
			t.Fatalf("got %+v, %+v, want the certificate", identity, outcome)
		}
		time.Sleep(time.Hour)
		if identity, outcome := ask(t, f.Authenticator, c); !identity.Anonymous() || !outcome.Rejected {
			t.Errorf("got %+v, %+v after its end, want nobody", identity, outcome)
		}
	})
}

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
