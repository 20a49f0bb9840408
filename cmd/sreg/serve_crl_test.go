package main_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestARevokedCertificatePushesNoMore: the CRL is replaced while the server runs, and oras has the certificate.
func TestARevokedCertificatePushesNoMore(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	people := &site{ca: &a}
	gone, other := people.certificate(t, "builder"), people.certificate(t, "builder")
	crl := filepath.Join(t.TempDir(), "clients.crl")
	a.revoke(t, crl, time.Hour)
	config := filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, fmt.Sprintf(`server:
  listeners: [{name: main, address: "127.0.0.1:0", tls: true}]
  tls: {cert_file: %q, key_file: %q, client_ca_file: %q, crl_file: %q}
policy: {rules: ["'builder' in identity.certificate.common_names"]}`, a.cert, a.key, a.ca, crl)+"\n")
	s := serve(t, "-c", config)
	file := filepath.Join(t.TempDir(), "content")
	writeFile(t, file, "content")
	push := func(who login, tag string) (string, error) {
		out, err := command(t, "oras", "push", "--plain-http=false", "--disable-path-validation", "--ca-file", a.ca,
			"--cert-file", who.cert, "--key-file", who.key, s.address+"/app:"+tag, file).CombinedOutput()
		return string(out), err
	}
	if out, err := push(gone, "1"); err != nil {
		t.Fatalf("before it is revoked: %v\n%s", err, out)
	}
	a.revoke(t, crl, time.Hour, gone)
	s.process.await(t, regexp.MustCompile(`"config reloaded"`))
	if out, err := push(gone, "2"); err == nil { // its error may be that of a connection that is closed
		t.Errorf("after it was revoked it pushes:\n%s", out)
	}
	s.process.await(t, regexp.MustCompile(`"client certificate refused".*revoked`))
	if out, err := push(other, "3"); err != nil {
		t.Errorf("another certificate of the same name: %v\n%s", err, out)
	}

	// What is wrong is refused, and the list before goes on.
	writeFile(t, crl, "no CRL")
	s.process.await(t, regexp.MustCompile(`"config refused`))
	if out, err := push(gone, "4"); err == nil {
		t.Errorf("beside a broken CRL the revoked certificate pushes:\n%s", out)
	}
	s.stop(t)
}

// TestValidateWarnsOfACRLThatIsPastItsTime, and refuses one that a server would refuse.
func TestValidateWarnsOfACRLThatIsPastItsTime(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	crl := filepath.Join(t.TempDir(), "clients.crl")
	validate := func() string {
		config := filepath.Join(t.TempDir(), "sreg.yaml")
		writeFile(t, config, fmt.Sprintf("server:\n  listeners: [{name: main, address: \"127.0.0.1:0\", tls: true}]\n"+
			"  tls: {cert_file: %q, key_file: %q, client_ca_file: %q, crl_file: %q}\n", a.cert, a.key, a.ca, crl))
		out, _ := command(t, binary, "config", "validate", "-c", config, "--data", filepath.Join(t.TempDir(), "data")).CombinedOutput()
		return string(out)
	}
	a.revoke(t, crl, time.Hour)
	if out := validate(); strings.Contains(out, "the CRL") {
		t.Errorf("a CRL of now: got\n%s", out)
	}
	a.revoke(t, crl, -3*24*time.Hour)
	if out := validate(); !strings.Contains(out, `server.tls.crl_file: the CRL of "CN=sreg test CA" in `+crl+` ended 3 days ago`) {
		t.Errorf("an old CRL: got\n%s", out)
	}
	newAuthority(t).revoke(t, crl, time.Hour)
	if out := validate(); !strings.Contains(out, "error: ") || !strings.Contains(out, "has not signed it") {
		t.Errorf("a CRL of somebody else: got\n%s", out)
	}
}

// revoke writes a CRL that holds for a time and lists certificates.
func (a authority) revoke(t *testing.T, file string, left time.Duration, all ...login) {
	t.Helper()
	end := time.Now().Add(left)
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: end.Add(-24 * time.Hour), NextUpdate: end}
	for _, who := range all {
		text, err := os.ReadFile(who.cert)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: certificate.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.parent, a.signer)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, file, "X509 CRL", der)
}
