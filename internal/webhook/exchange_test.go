package webhook

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache/memory"
)

func TestHostileEndpoints(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		talk func(net.Conn)
		want Result
	}{
		{"it redirects to the metadata service", says("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"), Denied},
		{"it redirects the POST as it stands", says("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"), Denied},
		{"it redirects to itself for ever", says("HTTP/1.1 301 Moved\r\nLocation: /authz\r\nContent-Length: 0\r\n\r\n"), Denied},
		{"it never answers", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, TimedOut},
		{"it never reads", nil, TimedOut},
		{"it sends a byte of the header a second", drip("HTTP/1.1 200 OK\r\nX-Slow: yes\r\n\r\n"), TimedOut},
		{"it hangs up", func(net.Conn) {}, Unreachable},
		{"it hangs up after the request", says(""), Unreachable},
		{"it hangs up in the header", says("HTTP/1.1 200 OK\r\nContent-Le"), Unreachable},
		{"it speaks another protocol", says("SSH-2.0-OpenSSH_9.2\r\n"), Unreachable},
		{"it sends bytes", says("\x00\xff\x00\xff\r\n\r\n"), Unreachable},
		{"its status has four digits", says("HTTP/1.1 2000 OK\r\n\r\n"), Unreachable},
		{"its status is a word", says("HTTP/1.1 yes OK\r\n\r\n"), Unreachable},
		{"its status is negative", says("HTTP/1.1 -20 OK\r\n\r\n"), Unreachable},
		{"its header is huge", says("HTTP/1.1 200 OK\r\nX-Big: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), Unreachable},
		{"it sends 1xx for ever", endless("HTTP/1.1 100 Continue\r\n\r\n"), Unreachable},
		{"it sends hints for ever", endless("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), Unreachable},
		{"it sends hints, then yes", says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Allowed},
		{"it switches protocols", says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), Denied},
		{"it switches protocols and holds the line", hold("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), Denied},
		{"it says no and keeps the body", hold("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n"), Denied},
		{"it says yes and sends a body for ever", endless("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), Allowed},
		{"it says yes and packs a bomb", says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxxx"), Allowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				defer close(end)
				var dials atomic.Int64
				c := overPipe(t, func(conn net.Conn) {
					dials.Add(1)
					if tt.talk == nil {
						<-end
						return
					}
					tt.talk(conn)
				}, nil)
				begun := time.Now()
				got := ask(t, c, `{"request":{}}`)
				if got.Result != tt.want {
					t.Errorf("got %s (status %d, %v), want %s", got.Result, got.Status, got.Err, tt.want)
				}
				if took := time.Since(begun); took > c.config.Timeout {
					t.Errorf("took %s, want at most the time-out of %s", took, c.config.Timeout)
				}
				if dials.Load() != 1 {
					t.Errorf("dialled %d times, want once: nothing is followed", dials.Load())
				}
			})
		})
	}
}

// drip sends a byte a second.
func drip(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		for i := range answer {
			time.Sleep(time.Second) // of the bubble
			if _, err := io.WriteString(conn, answer[i:i+1]); err != nil {
				return
			}
		}
	}
}

// endless sends the same for ever.
func endless(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		for {
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}
}

// hold sends an answer and keeps the connection open until the client closes it.
func hold(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, answer)
		_, _ = io.Copy(io.Discard, conn)
	}
}

func TestABodyIsNotReadBeyondItsBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		ended := make(chan struct{})
		c := overPipe(t, func(conn net.Conn) {
			defer close(ended)
			readRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
			for piece := make([]byte, 512); ; {
				n, err := conn.Write(piece)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}, nil)
		ask(t, c, "{}")
		<-ended
		// Beside the 4 KiB that are read there is the buffer of the connection.
		if got := sent.Load(); got > 16<<10 {
			t.Errorf("the endpoint could send %d bytes, want few", got)
		}
	})
}

func TestARedirectIsNeverFollowedOverARealSocket(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var reached atomic.Bool
			target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
			defer target.Close()
			server := httptest.NewServer(http.RedirectHandler(target.URL, status))
			defer server.Close()
			for _, method := range []string{"post", "get"} {
				c := newClient(t, server.URL, func(c *Config) { c.Method, c.BearerToken = method, canary() })
				if got := ask(t, c, "{}"); got.Result != Denied || got.Status != status {
					t.Errorf("%s: got %s with status %d, want denied with %d", method, got.Result, got.Status, status)
				}
			}
			if reached.Load() {
				t.Error("the target of the redirect was asked")
			}
		})
	}
}

func TestAnEndpointThatIsNotThereDenies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if got := ask(t, newClient(t, server.URL, nil), "{}"); got.Result != Unreachable || !got.Broken() {
		t.Errorf("got %s, want unreachable", got.Result)
	}
}

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

func TestAConnectionThatTheEndpointClosedIsReplaced(t *testing.T) {
	t.Parallel()
	// Each connection answers one request, and is closed when the next one has begun.
	c := overPipe(t, func(conn net.Conn) {
		from := bufio.NewReader(conn)
		if readRequest(from) == nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		readRequest(from)
	}, nil)
	for i := range 20 {
		if got := ask(t, c, "{}"); !got.Allowed() {
			t.Fatalf("question %d: got %s, %v, want it to be allowed", i, got.Result, got.Err)
		}
	}
}

func TestCredentialsAreSentAndNeverTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a bearer token", func(c *Config) { c.BearerToken = canary() }, "Bearer canary-7f3a"},
		{"a user and a password", func(c *Config) { c.Username, c.Password = "sreg", canary() }, "Basic c3JlZzpjYW5hcnktN2YzYQ=="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, got := recorder(t)
			c := newClient(t, url, tt.change)
			ask(t, c, "{}")
			if r := <-got; r.header.Get("Authorization") != tt.want {
				t.Errorf("got Authorization %q, want %q", r.header.Get("Authorization"), tt.want)
			}
			broken := overPipe(t, func(net.Conn) {}, tt.change)
			answer := ask(t, broken, "{}")
			shown, err := json.Marshal(broken.config)
			if err != nil {
				t.Fatal(err)
			}
			if told := fmt.Sprintf("%v %+v %#v %s", answer, answer, broken.config, shown); strings.Contains(told, "canary") || answer.Err == nil {
				t.Errorf("got %s, want an error without the secret", told)
			}
		})
	}
}

func TestAnErrorDoesNotTellTheURL(t *testing.T) {
	t.Parallel()
	c := overPipe(t, func(net.Conn) {}, func(c *Config) { c.URL = "http://endpoint.test/authz?key=canary-7f3a" })
	if got := ask(t, c, "{}"); got.Err == nil || strings.Contains(got.Err.Error(), "canary") {
		t.Errorf("got %v, want an error without the query", got.Err)
	}
}

func TestOnlyTheNamedHeadersAreSentOn(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := newClient(t, url, func(c *Config) { c.ForwardHeaders = []string{"x-request-ID", "x-team"} })
	c.Ask(t.Context(), Question{Incoming: http.Header{
		"X-Request-Id":  {"r1"},
		"X-Team":        {"a", "b"},
		"Authorization": {"Bearer client"},
		"Cookie":        {"c=1"},
	}})
	r := <-got
	if r.header.Get("X-Request-Id") != "r1" || strings.Join(r.header["X-Team"], " ") != "a b" {
		t.Errorf("got %v, want the named headers with all their values", r.header)
	}
	for _, name := range []string{"Authorization", "Cookie", "Idempotency-Key"} {
		if r.header.Get(name) != "" {
			t.Errorf("%s: got %q, want nothing", name, r.header.Get(name))
		}
	}
}

// asked is what an endpoint got.
type asked struct {
	method string
	path   string
	header http.Header
	body   string
}

// recorder is an endpoint that says yes and keeps what it got.
func recorder(t *testing.T) (url string, got chan asked) {
	t.Helper()
	got = make(chan asked, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- asked{r.Method, r.RequestURI, r.Header, string(body)}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/authz?tenant=1", got
}

func TestPostSendsTheDocument(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := newClient(t, url, nil)
	answer := c.Ask(t.Context(), Question{
		Document: []byte(`{"request":{}}`),
		Facts:    []Fact{{Name: "X-Registry-Action", Values: []string{"get-blob"}}},
	})
	r := <-got
	if !answer.Allowed() || r.method != http.MethodPost || r.path != "/authz?tenant=1" || r.body != `{"request":{}}` {
		t.Errorf("got %s and %+v, want a POST of the document to the URL", answer.Result, r)
	}
	if r.header.Get("Content-Type") != "application/json" || r.header.Get("X-Registry-Action") != "" {
		t.Errorf("got header %v, want JSON announced and no facts beside it", r.header)
	}
}

func TestGetSendsTheFacts(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := newClient(t, url, func(c *Config) { c.Method = "get" })
	c.Ask(t.Context(), Question{
		Document: []byte(`{"request":{}}`),
		Facts: []Fact{
			{Name: "X-Registry-Action", Values: []string{"get-blob"}},
			{Name: "X-Registry-Certificate-O", Values: []string{"Platform Team", "Acme, Inc."}},
			{Name: "X-Forwarded-Uri", Values: []string{"/v2/a/tags/list?last=%2f,b"}, Escaped: true},
			{Name: "X-Registry-Digest"},
		},
	})
	r := <-got
	if r.method != http.MethodGet || r.body != "" {
		t.Errorf("got %s with body %q, want GET without one", r.method, r.body)
	}
	want := map[string]string{
		"X-Registry-Action":        "get-blob",
		"X-Registry-Certificate-O": "Platform Team,Acme%2C Inc.",
		"X-Forwarded-Uri":          "/v2/a/tags/list?last=%2f,b",
	}
	for name, value := range want {
		if r.header.Get(name) != value {
			t.Errorf("%s: got %q, want %q", name, r.header.Get(name), value)
		}
	}
	if _, sent := r.header["X-Registry-Digest"]; sent {
		t.Error("a fact without a value was sent")
	}
}
