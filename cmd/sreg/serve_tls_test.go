package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a CA of a test's own, with the certificate of a server on loopback.
type authority struct {
	dir  string // holds ca.crt alone, as certs.d and cert-dir want it
	ca   string
	cert string
	key  string

	parent *x509.Certificate // of client certificates
	signer *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{dir: t.TempDir()}
	server := t.TempDir()
	a.ca = filepath.Join(a.dir, "ca.crt")
	a.cert, a.key = filepath.Join(server, "tls.crt"), filepath.Join(server, "tls.key")

	caKey, serverKey := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sreg test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: []byte("sreg test CA"),
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"localhost", tlsName}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	a.parent, a.signer = ca, caKey
	writePEM(t, a.ca, "CERTIFICATE", signed(t, ca, ca, caKey, caKey))
	writePEM(t, a.cert, "CERTIFICATE", signed(t, leaf, ca, serverKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.key, "PRIVATE KEY", der)
	return a
}

// client is one that knows the CA alone.
func (a authority) client(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(a.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, cert, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tlsName is a name for [::1] that docker does not take for loopback, whose TLS it never verifies.
const tlsName = "sreg.test"

// serveTLS starts sreg with TLS on an address such as 127.0.0.1:0.
func serveTLS(t *testing.T, address string) (*server, authority) {
	t.Helper()
	a := newAuthority(t)
	config := filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, fmt.Sprintf(`server:
  external_url: https://%s
  listeners:
    - {name: main, address: %q, tls: true}
  tls: {cert_file: %s, key_file: %s}
`, tlsName, address, a.cert, a.key))
	return serve(t, "-c", config), a
}
