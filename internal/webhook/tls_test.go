package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache/memory"
)

// tlsEndpoint says yes to whoever trusts it and, if clients is given, shows one of its certificates.
func tlsEndpoint(t *testing.T, clients *x509.CertPool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if clients != nil {
		server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestTheEndpointsCertificateIsChecked(t *testing.T) {
	t.Parallel()
	server := tlsEndpoint(t, nil)
	right := writePEM(t, "CERTIFICATE", server.Certificate().Raw)
	wrong, _, _ := selfSigned(t)
	tests := []struct {
		name   string
		caFile string
		want   Result
	}{
		{"the CA of the config", right, Allowed},
		{"another CA", wrong, Unreachable},
		{"the system's CAs", "", Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, server.URL, func(c *Config) { c.CAFile = tt.caFile })
			if got := ask(t, c, "{}"); got.Result != tt.want {
				t.Errorf("got %s, %v, want %s", got.Result, got.Err, tt.want)
			}
		})
	}
}

func TestTheClientCertificateIsShown(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t)
	server := tlsEndpoint(t, pool)
	ca := writePEM(t, "CERTIFICATE", server.Certificate().Raw)
	with := newClient(t, server.URL, func(c *Config) { c.CAFile, c.CertFile, c.KeyFile = ca, cert, key })
	if got := ask(t, with, "{}"); !got.Allowed() {
		t.Errorf("with the certificate: got %s, %v, want allowed", got.Result, got.Err)
	}
	without := newClient(t, server.URL, func(c *Config) { c.CAFile = ca })
	if got := ask(t, without, "{}"); got.Allowed() {
		t.Error("without the certificate: got allowed, want no")
	}
}

func TestNewRefusesFilesThatAreNoCertificates(t *testing.T) {
	t.Parallel()
	rubbish := filepath.Join(t.TempDir(), "rubbish.pem")
	if err := os.WriteFile(rubbish, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no such CA", func(c *Config) { c.CAFile = "/nowhere" }, "ca_file: open /nowhere"},
		{"a CA of rubbish", func(c *Config) { c.CAFile = rubbish }, "ca_file: " + rubbish + " holds no certificate"},
		{"a certificate of rubbish", func(c *Config) { c.CertFile, c.KeyFile = rubbish, rubbish }, "cert_file: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Name, cfg.URL = "guard", "https://g/"
			tt.change(&cfg)
			metrics := NewMetrics(prometheus.NewRegistry())
			if _, err := New(cfg, metrics, memory.New(bytesize.MiB)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// selfSigned writes a certificate that vouches for itself, and its key.
func selfSigned(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sreg"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", raw), writePEM(t, "PRIVATE KEY", encoded), pool
}

func writePEM(t *testing.T, kind string, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
