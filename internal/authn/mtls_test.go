package authn

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/access"
)

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
