package server

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crl is a list that revokes certificates by their serial numbers, and ends at a time.
func (a authority) crl(t *testing.T, end time.Time, serials ...int64) []byte {
	t.Helper()
	list := &x509.RevocationList{ThisUpdate: end.Add(-24 * time.Hour), NextUpdate: end}
	for _, serial := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: big.NewInt(serial), RevocationTime: time.Now().Add(-time.Minute),
		})
	}
	return a.sign(t, list)
}

func (a authority) sign(t *testing.T, list *x509.RevocationList) []byte {
	t.Helper()
	list.Number = big.NewInt(1)
	der, err := x509.CreateRevocationList(rand.Reader, list, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// below makes a CA that a signs.
func (a authority) below(t *testing.T, name string, serial int64) authority {
	t.Helper()
	b := newAuthority(t, name)
	template := *b.certificate
	template.SerialNumber = big.NewInt(serial)
	der, err := x509.CreateCertificate(rand.Reader, &template, a.certificate, &b.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	b.certificate, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serialOfClients is what issue gives each certificate.
const serialOfClients = 0xbeef

func inPEM(lists ...[]byte) (text []byte) {
	for _, der := range lists {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return text
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// showing is a client that shows a certificate, whatever CAs the server names.
func showing(trust *tls.Config, certificate tls.Certificate) *tls.Config {
	config := trust.Clone()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	return config
}

// asks says whether a client gets an answer on a new connection.
func asks(r *running, config *tls.Config) bool {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Get("https://" + r.addr())
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func TestARevokedCertificateEndsTheHandshake(t *testing.T) {
	t.Parallel()
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	middle := first.below(t, "middle", 77)
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	client := second.issue(t, "ci", later)
	chained := middle.issue(t, "chained", later)
	chained.Certificate = append(chained.Certificate, middle.certificate.Raw)
	tests := []struct {
		name    string
		crl     []byte
		show    tls.Certificate
		revoked bool
	}{
		{"in DER", second.crl(t, later, 2, serialOfClients), client, true},
		{"in PEM, in the second of two", inPEM(first.crl(t, later), second.crl(t, later, serialOfClients)), client, true},
		{"in a CRL that is past its time", second.crl(t, before, serialOfClients), client, true},
		{"another number is revoked", second.crl(t, later, 2), client, false},
		{"the same number of another CA is revoked", inPEM(first.crl(t, later, serialOfClients), second.crl(t, later)), client, false},
		{"its CA is revoked by the CA above", first.crl(t, later, 77), chained, true},
		{"its CA is not revoked", first.crl(t, later, 78), chained, false},
	}
	for _, tt := range tests {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.name+", "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				folder, log := t.TempDir(), newLines()
				cas, list := filepath.Join(folder, "ca.crt"), filepath.Join(folder, "crl")
				put(t, cas, append(first.pem(), second.pem()...))
				put(t, list, tt.crl)
				r, trust := startTLS(t, say("fine"), func(o *Options) {
					o.Config.TLS.ClientCAFile, o.Config.TLS.CRLFile = cas, list
					o.Logger = slog.New(slog.NewTextHandler(log, nil))
				})
				if !asks(r, trust) {
					t.Error("a client without a certificate gets no answer")
				}
				trust.MaxVersion = version
				if got := asks(r, showing(trust, tt.show)); got == tt.revoked {
					t.Errorf("got an answer: %t, want %t", got, !tt.revoked)
				}
				if !tt.revoked {
					return
				}
				for _, text := range []string{"client certificate refused", "revoked: server.tls.crl_file", "serial=beef"} {
					if log.await(text); !strings.Contains(log.String(), text) {
						t.Errorf("got the log\n%s\nwant one that says %q", log, text)
					}
				}
			})
		}
	}
}

func TestACAAmongTheClientCAsCanBeRevokedByAnother(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, "root")
	middle := root.below(t, "middle", 77)
	folder := t.TempDir()
	cas, list := filepath.Join(folder, "ca.crt"), filepath.Join(folder, "crl")
	put(t, cas, append(root.pem(), middle.pem()...))
	put(t, list, root.crl(t, time.Now().Add(time.Hour), 77))
	r, trust := startTLS(t, say("fine"), func(o *Options) { o.Config.TLS.ClientCAFile, o.Config.TLS.CRLFile = cas, list })
	if asks(r, showing(trust, middle.issue(t, "ci", time.Now().Add(time.Hour)))) {
		t.Error("a certificate of a CA that is revoked gets an answer")
	}
}

func TestBrokenCRLsRefuseToStart(t *testing.T) {
	t.Parallel()
	ca, namesake := newAuthority(t, "ca"), newAuthority(t, "ca")
	later := time.Now().Add(time.Hour)
	good := inPEM(ca.crl(t, later, 7))
	extended := func(id asn1.ObjectIdentifier) []byte {
		return inPEM(ca.sign(t, &x509.RevocationList{
			ThisUpdate: time.Now(), NextUpdate: later,
			ExtraExtensions: []pkix.Extension{{Id: id, Critical: true, Value: []byte{5, 0}}},
		}))
	}
	indirect := inPEM(ca.sign(t, &x509.RevocationList{
		ThisUpdate: time.Now(), NextUpdate: later,
		RevokedCertificateEntries: []x509.RevocationListEntry{{
			SerialNumber: big.NewInt(7), RevocationTime: time.Now(),
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{5, 0}}},
		}},
	}))
	changed := ca.crl(t, later, 7)
	changed[len(changed)-1] ^= 1
	weak := newAuthority(t, "weak")
	weakList := inPEM(weak.crl(t, later, 7))
	template := *weak.certificate
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &weak.key.PublicKey, weak.key)
	if err != nil {
		t.Fatal(err)
	}
	cas := append(ca.pem(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	tests := []struct {
		name, want string
		content    []byte
	}{
		{"nothing", "no CRL in PEM or DER", nil},
		{"a text", "no CRL in PEM or DER", []byte("hello")},
		{"half of one", "cut off", good[:len(good)/2]},
		{"one and half of another", "1 of 2 CRLs are no PEM", append(append([]byte{}, good...), good[:len(good)/2]...)},
		{"one that is damaged before another", "1 of 2 CRLs are no PEM", append([]byte("-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n"), good...)},
		{"a certificate", "got a CERTIFICATE", append(append([]byte{}, good...), ca.pem()...)},
		{"one that is none", "CRL 2", append(append([]byte{}, good...), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"...)},
		{"of a strange CA", "its issuer is unknown", inPEM(newAuthority(t, "stranger").crl(t, later, 7))},
		{"of a strange CA beside a known one", "its issuer is unknown", append(append([]byte{}, good...), inPEM(newAuthority(t, "stranger").crl(t, later, 7))...)},
		{"of another CA of the same name", "has not signed it", inPEM(namesake.crl(t, later, 7))},
		{"with another signature", "has not signed it", changed},
		{"of a CA that may sign none", "no cRLSign", weakList},
		{"with the changes alone", "delta CRL", extended(deltaCRLIndicator)},
		{"with an unknown extension", "critical extension 1.2.3", extended(asn1.ObjectIdentifier{1, 2, 3})},
		{"about certificates of others", "critical extension 2.5.29.29", indirect},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files, _ := newCertificate(t, "sreg.test")
			config := DefaultConfig()
			config.Listeners[0].TLS = true
			folder := t.TempDir()
			config.TLS.CertFile, config.TLS.KeyFile = files.CertFile, files.KeyFile
			config.TLS.ClientCAFile, config.TLS.CRLFile = filepath.Join(folder, "ca.crt"), filepath.Join(folder, "crl")
			put(t, config.TLS.ClientCAFile, cas)
			put(t, config.TLS.CRLFile, tt.content)
			_, err := New(Options{Config: config})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), config.TLS.CRLFile) {
				t.Errorf("got error %v, want one with %q and the file", err, tt.want)
			}
		})
	}
	t.Run("for some certificates", func(t *testing.T) {
		t.Parallel()
		list, err := x509.ParseRevocationList(pemBytes(extended(issuingDistributionPoint)))
		if err != nil {
			t.Fatal(err)
		}
		if err := verifyCRL(list, []*x509.Certificate{ca.certificate}); err != nil {
			t.Errorf("got error %v, want none: what it lists is revoked", err)
		}
	})
}

func pemBytes(text []byte) []byte {
	block, _ := pem.Decode(text)
	return block.Bytes
}

// revoking is a server with a CRL that lists nobody, and two clients.
type revoking struct {
	*running
	ca       authority
	list     string
	bad, fit *tls.Config
}

func newRevoking(t *testing.T) revoking {
	t.Helper()
	r := revoking{ca: newAuthority(t, "ca")}
	folder := t.TempDir()
	cas := filepath.Join(folder, "ca.crt")
	r.list = filepath.Join(folder, "crl")
	put(t, cas, r.ca.pem())
	put(t, r.list, r.ca.crl(t, time.Now().Add(time.Hour)))
	var trust *tls.Config
	r.running, trust = startTLS(t, say("fine"), func(o *Options) { o.Config.TLS.ClientCAFile, o.Config.TLS.CRLFile = cas, r.list })
	r.bad = showing(trust, r.ca.issue(t, "bad", time.Now().Add(time.Hour)))
	r.fit = showing(trust, r.ca.issueSerial(t, "fit", time.Now().Add(time.Hour), 0xf17))
	for _, c := range []*tls.Config{r.bad, r.fit} {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return r
}

func (r revoking) revoke(t *testing.T, serials ...int64) {
	t.Helper()
	put(t, r.list, r.ca.crl(t, time.Now().Add(2*time.Hour), serials...))
	r.swap(t, say("fine"), nil)
}

func TestACertificateThatIsRevokedGoesOnWithNothing(t *testing.T) {
	t.Parallel()
	t.Run("on a connection that is open", func(t *testing.T) {
		t.Parallel()
		r := newRevoking(t)
		bad, fit := dialTLS(t, r.addr(), r.bad), dialTLS(t, r.addr(), r.fit)
		r.revoke(t, serialOfClients)
		if _, err := io.WriteString(bad, "GET / HTTP/1.1\r\nHost: sreg.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(bad); len(got) > 0 {
			t.Errorf("got %q, want that the connection closes", got)
		}
		if response := askOn(t, fit); response.StatusCode != http.StatusOK || !response.Close {
			t.Errorf("got %d, close %t for another client, want one more answer", response.StatusCode, response.Close)
		}
	})
	t.Run("on a connection of HTTP/2 that is open", func(t *testing.T) {
		t.Parallel()
		r := newRevoking(t)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: r.bad, ForceAttemptHTTP2: true}}
		defer client.CloseIdleConnections()
		response, err := client.Get("https://" + r.addr())
		if err != nil || response.ProtoMajor != 2 {
			t.Fatalf("got %v, %v, want an answer of HTTP/2", response, err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		r.revoke(t, serialOfClients)
		for range 2 { // on the connection that is open, and on a new one
			if response, err := client.Get("https://" + r.addr()); err == nil {
				response.Body.Close()
				t.Errorf("got %s, want no answer", response.Status)
			}
		}
	})
	t.Run("with a session that it resumes", func(t *testing.T) {
		t.Parallel()
		r := newRevoking(t)
		dialTLS(t, r.addr(), r.bad)
		if !dialTLS(t, r.addr(), r.bad).ConnectionState().DidResume {
			t.Fatal("a session is not resumed at all")
		}
		r.revoke(t, serialOfClients)
		if asks(r.running, r.bad) {
			t.Error("got an answer")
		}
		if !asks(r.running, r.fit) {
			t.Error("another client gets no answer")
		}
		r.revoke(t)
		if !asks(r.running, r.bad) {
			t.Error("got no answer behind a CRL that does not list it any more")
		}
	})
}

func TestACRLThatListsTheSameDisturbsNobody(t *testing.T) {
	t.Parallel()
	r := newRevoking(t)
	r.revoke(t, serialOfClients)
	conn := dialTLS(t, r.addr(), r.fit)
	r.revoke(t, serialOfClients)
	if response := askOn(t, conn); response.Close {
		t.Error("a connection closes because a CRL was renewed")
	}
	if !dialTLS(t, r.addr(), r.fit).ConnectionState().DidResume {
		t.Error("a session is not resumed behind a CRL that was renewed")
	}
}

func TestABrokenCRLLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	r := newRevoking(t)
	r.revoke(t, serialOfClients)
	put(t, r.list, nil)
	if _, err := r.Swap(Live{Config: r.opts.Config, Handler: func(Listener) http.Handler { return say("after") }}); err == nil {
		t.Error("got no error for a CRL that is empty")
	}
	if asks(r.running, r.bad) {
		t.Error("a client that the CRL before lists gets an answer")
	}
	if !asks(r.running, r.fit) {
		t.Error("another client gets no answer")
	}
}
