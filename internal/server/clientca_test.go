package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// authority is a CA of client certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// issue makes a client certificate that ends at a time.
func (a authority) issue(t *testing.T, name string, end time.Time) tls.Certificate {
	t.Helper()
	return a.issueSerial(t, name, end, serialOfClients)
}

func (a authority) issueSerial(t *testing.T, name string, end time.Time, serial int64) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// lines is a log that many goroutines write to.
type lines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // holds one if there is something new
}

func newLines() *lines { return &lines{wrote: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

// await waits until the log has a text: a client learns that it was refused before the server has written
// it down.
func (l *lines) await(text string) {
	giveUp := time.After(10 * time.Second)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.wrote:
		case <-giveUp:
			return // whoever looks at the log next says what is missing
		}
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	first, second, stranger := newAuthority(t, "first"), newAuthority(t, "second"), newAuthority(t, "stranger")
	cas := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(cas, append(first.pem(), second.pem()...), 0o600); err != nil {
		t.Fatal(err)
	}
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	tests := []struct {
		name string
		auth string
		show []tls.Certificate
		want string // the name that the handler sees; "" = the handshake does not succeed
		logs string
	}{
		{name: "a certificate of the first CA is verified", auth: "optional", show: []tls.Certificate{first.issue(t, "ci", later)}, want: "ci"},
		{name: "a certificate of the second CA is verified", auth: "required", show: []tls.Certificate{second.issue(t, "ops", later)}, want: "ops"},
		{name: "an optional certificate may be left out", auth: "optional", want: "nobody"},
		{name: "a required certificate may not be left out", auth: "required", logs: "client certificate refused"},
		{name: "none asks for no certificate", auth: "none", show: []tls.Certificate{stranger.issue(t, "mallory", later)}, want: "nobody"},
		{
			name: "a certificate of a strange CA ends the handshake", auth: "optional",
			show: []tls.Certificate{stranger.issue(t, "mallory", later)}, logs: "unknown authority",
		},
		{
			name: "an expired certificate ends the handshake", auth: "optional",
			show: []tls.Certificate{first.issue(t, "late", before)}, logs: "expired",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := newLines()
			r, trust := startTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				name := "nobody"
				if len(r.TLS.VerifiedChains) > 0 {
					name = r.TLS.VerifiedChains[0][0].Subject.CommonName
				}
				_, _ = io.WriteString(w, name)
			}), func(o *Options) {
				o.Config.TLS.ClientCAFile, o.Config.TLS.ClientAuth = cas, tt.auth
				o.Logger = slog.New(slog.NewTextHandler(log, nil))
			})
			trust.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(tt.show) == 0 {
					return &tls.Certificate{}, nil
				}
				return &tt.show[0], nil // whatever CAs the server names
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
			defer client.CloseIdleConnections()
			got := ""
			response, err := client.Get("https://" + r.addr())
			if err == nil {
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				got = string(body)
			}
			if got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			log.await(tt.logs)
			r.stop()
			<-r.done
			switch text := log.String(); {
			case tt.logs == "" && strings.Contains(text, "level=WARN"):
				t.Errorf("got a warning, want none:\n%s", text)
			case !strings.Contains(text, tt.logs):
				t.Errorf("got the log\n%s\nwant one that says %q", text, tt.logs)
			}
		})
	}
}

func TestBrokenClientCAsRefuseToStart(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")})
	tests := []struct{ name, content, want string }{
		{"a file without a certificate", "hello", "no certificate in PEM"},
		{"a key among the certificates", string(ca.pem()) + string(key), "got a PRIVATE KEY"},
		{"a second certificate that is none", string(ca.pem()) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "ca.crt")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := loadClientCAs(&tls.Config{}, TLS{ClientCAFile: path, ClientAuth: "optional"})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got error %v, want one with %q and the file", err, tt.want)
			}
		})
	}
}

func TestRefusedCertificatesAreLoggedAsOftenAsSomebodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newLines()
		r, logger := newRefusals(), slog.New(slog.NewTextHandler(log, nil))
		refused := &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
		for range 10 * refusalsLogged {
			r.log(logger, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, false, refused)
		}
		if got := strings.Count(log.String(), "\n"); got != refusalsLogged {
			t.Errorf("got %d lines in a minute, want %d", got, refusalsLogged)
		}
		time.Sleep(time.Minute)
		r.log(logger, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, false, refused)
		if !strings.Contains(log.String(), "client=192.0.2.1 ") || !strings.Contains(log.String(), "suppressed=180") {
			t.Errorf("the next minute does not tell who it was and how many were left out:\n%s", log)
		}
	})
}
