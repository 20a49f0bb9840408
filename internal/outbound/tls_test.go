package outbound

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/setting"
)

func TestTheServersCertificateIsVerified(t *testing.T) {
	t.Parallel()
	server := serve(t, func(http.ResponseWriter, *http.Request) {}, nil)
	right := writePEM(t, "CERTIFICATE", server.Certificate().Raw)
	wrong, _, _ := selfSigned(t)
	for name, tt := range map[string]struct {
		files Files
		ok    bool
	}{
		"the CA of the file": {Files{CAFile: right}, true},
		"another CA":         {Files{CAFile: wrong}, false},
		"the system's CAs":   {Files{}, false},
	} {
		settings, err := tt.files.Load()
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = get(t, New(Options{TLS: settings}), server.URL)
		var unknown *tls.CertificateVerificationError
		if (err == nil) != tt.ok || err != nil && !errors.As(err, &unknown) {
			t.Errorf("%s: got error %v, want the certificate accepted: %v", name, err, tt.ok)
		}
	}
	settings, err := Files{CAFile: right}.Load()
	if err != nil {
		t.Fatal(err)
	}
	settings.ServerName = "another.test"
	if _, _, err := get(t, New(Options{TLS: settings}), server.URL); err == nil {
		t.Error("the certificate of another name was accepted")
	}
}

func TestTheClientCertificateIsShown(t *testing.T) {
	t.Parallel()
	cert, key, pool := selfSigned(t)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}, func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	})
	files := Files{CAFile: writePEM(t, "CERTIFICATE", server.Certificate().Raw)}
	for _, shown := range []bool{true, false} {
		if files.CertFile, files.KeyFile = "", ""; shown {
			files.CertFile, files.KeyFile = cert, key
		}
		settings, err := files.Load()
		if err != nil {
			t.Fatal(err)
		}
		_, name, err := get(t, New(Options{TLS: settings}), server.URL)
		if (err == nil) != shown || shown && name != "sreg" {
			t.Errorf("certificate shown: %v: got name %q and error %v", shown, name, err)
		}
	}
}

func TestFilesThatCannotBeLoadedNameTheKey(t *testing.T) {
	t.Parallel()
	rubbish := filepath.Join(t.TempDir(), "rubbish.pem")
	if err := os.WriteFile(rubbish, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, _, _ := selfSigned(t)
	_, key, _ := selfSigned(t)
	for name, tt := range map[string]struct {
		files Files
		key   string
	}{
		"no CA":                    {Files{CAFile: rubbish + "x"}, "ca_file"},
		"a CA of rubbish":          {Files{CAFile: rubbish}, "ca_file"},
		"no certificate":           {Files{CertFile: rubbish + "x", KeyFile: key}, "cert_file"},
		"a certificate of rubbish": {Files{CertFile: rubbish, KeyFile: rubbish}, "cert_file"},
		"the key of another":       {Files{CertFile: cert, KeyFile: key}, "cert_file"},
	} {
		_, err := tt.files.Load()
		if wrong := new(setting.Error); !errors.As(err, &wrong) || wrong.Key != tt.key {
			t.Errorf("%s: got error %v, want one of %s", name, err, tt.key)
		}
	}
}

func TestCertificateAndKeyComeTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files Files
		want  []string
	}{
		{Files{}, nil},
		{Files{CAFile: "a"}, nil},
		{Files{CertFile: "a", KeyFile: "b"}, nil},
		{Files{CertFile: "a"}, []string{"cert_file"}},
		{Files{KeyFile: "b"}, []string{"key_file"}},
	} {
		var got []string
		tt.files.Validate(func(path, _ string) { got = append(got, path) })
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: got problems of %v, want %v", tt.files, got, tt.want)
		}
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
