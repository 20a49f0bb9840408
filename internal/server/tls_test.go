package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newCertificate writes a certificate that signs itself, for a name and 127.0.0.1.
func newCertificate(t *testing.T, name string) (Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := Certificate{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	writePEM(t, files.CertFile, "CERTIFICATE", der)
	writePEM(t, files.KeyFile, "PRIVATE KEY", keyDER)
	return files, parsed
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startTLS runs a server with a certificate for sreg.test and returns what trusts it.
func startTLS(t *testing.T, handler http.Handler, change func(*Options)) (*running, *tls.Config) {
	t.Helper()
	files, certificate := newCertificate(t, "sreg.test")
	r := start(t, handler, func(o *Options) {
		o.Config.Listeners[0].TLS = true
		o.Config.TLS.CertFile, o.Config.TLS.KeyFile = files.CertFile, files.KeyFile
		if change != nil {
			change(o)
		}
	})
	trust := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "sreg.test"}
	trust.RootCAs.AddCert(certificate)
	return r, trust
}

func TestTLSSpeaksBothVersionsOfHTTP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		server bool // speaks HTTP/2
		client bool
		want   string
	}{
		{"HTTP/2 if both can", true, true, "HTTP/2.0"},
		{"HTTP/1.1 if the client cannot", true, false, "HTTP/1.1"},
		{"HTTP/1.1 if the server shall not", false, true, "HTTP/1.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
			r, trust := startTLS(t, h, func(o *Options) { o.Config.HTTP2 = tt.server })
			client := http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: tt.client}}
			defer client.CloseIdleConnections()
			response, err := client.Get("https://" + r.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || string(body) != tt.want {
				t.Errorf("got %q, %v, want %s", body, err, tt.want)
			}
		})
	}
}

func TestMinVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		min     string
		client  uint16
		refused bool
	}{
		{"1.2 is spoken by default", "1.2", tls.VersionTLS12, false},
		{"1.3 is spoken by default", "1.2", tls.VersionTLS13, false},
		{"1.1 is never spoken", "1.2", tls.VersionTLS11, true},
		{"1.2 is refused from 1.3 on", "1.3", tls.VersionTLS12, true},
		{"1.3 is spoken from 1.3 on", "1.3", tls.VersionTLS13, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, trust := startTLS(t, say(""), func(o *Options) { o.Config.TLS.MinVersion = tt.min })
			trust.MinVersion, trust.MaxVersion = tls.VersionTLS10, tt.client
			conn, err := tls.Dial("tcp", r.addr(), trust)
			if err == nil {
				conn.Close()
			}
			if refused := err != nil; refused != tt.refused {
				t.Errorf("got error %v, want refused = %v", err, tt.refused)
			}
		})
	}
}

func TestTheServerNameChoosesTheCertificate(t *testing.T) {
	t.Parallel()
	second, _ := newCertificate(t, "other.test")
	r, trust := startTLS(t, say(""), func(o *Options) { o.Config.TLS.Certificates = []Certificate{second} })
	for asked, want := range map[string]string{"sreg.test": "sreg.test", "other.test": "other.test", "": "sreg.test"} {
		config := trust.Clone()
		config.ServerName, config.InsecureSkipVerify = asked, true
		conn, err := tls.Dial("tcp", r.addr(), config)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("got the certificate of %s for the name %q, want %s", got, asked, want)
		}
		conn.Close()
	}
}

func TestABrokenTLSSectionRefusesToStart(t *testing.T) {
	t.Parallel()
	good, _ := newCertificate(t, "sreg.test")
	other, _ := newCertificate(t, "sreg.test")
	tests := []struct {
		name string
		tls  TLS
		want string
	}{
		{"without a certificate", TLS{}, "there is no certificate"},
		{"with a file that does not exist", TLS{CertFile: "/absent.crt", KeyFile: good.KeyFile}, "/absent.crt"},
		{"with the key of another certificate", TLS{CertFile: good.CertFile, KeyFile: other.KeyFile}, "does not match"},
		{"with a key for a certificate", TLS{CertFile: good.KeyFile, KeyFile: good.KeyFile}, good.KeyFile},
		{"with a broken further certificate", TLS{
			CertFile: good.CertFile, KeyFile: good.KeyFile,
			Certificates: []Certificate{{CertFile: good.CertFile, KeyFile: other.KeyFile}},
		}, "does not match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := DefaultConfig()
			config.Listeners[0].TLS = true
			config.TLS = tt.tls
			_, err := New(Options{Config: config})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
