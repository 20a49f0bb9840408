package outbound

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// serve starts a server that speaks TLS.
func serve(t *testing.T, handler http.HandlerFunc, change func(*httptest.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{}
	if change != nil {
		change(server)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// newClient makes a client that takes the certificates of servers, one of which is enough: they are all alike.
func newClient(t *testing.T, server *httptest.Server, o Options) *http.Client {
	t.Helper()
	o.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
	client := New(o)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// get reads an answer.
func get(t *testing.T, client *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(content), err
}

func TestConnectionsAreUsedAgainAndGivenUp(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"HTTP/2": {}, "HTTP/1.1": {HTTP1: true}, "bounded": {HTTP1: true, MaxBody: 100, Stall: func() time.Duration { return time.Hour }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states := make(chan http.ConnState, 100)
			server := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }, func(s *httptest.Server) {
				s.EnableHTTP2 = true
				s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew || state == http.StateClosed {
						states <- state
					}
				}
			})
			client := newClient(t, server, o)
			for range 3 {
				_, proto, err := get(t, client, server.URL)
				if err != nil || strings.HasPrefix(proto, "HTTP/1") != o.HTTP1 {
					t.Fatalf("got %q and error %v", proto, err)
				}
			}
			if first := <-states; first != http.StateNew || len(states) > 0 {
				t.Errorf("%d more connections came or went, want one that is kept", len(states))
			}
			client.CloseIdleConnections()
			if next := <-states; next != http.StateClosed {
				t.Errorf("the connection is %s, want closed", next)
			}
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	server := serve(t, http.NotFound, func(s *httptest.Server) { s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} })
	for name, settings := range map[string]*tls.Config{"by default": nil, "whatever is asked for": {MinVersion: tls.VersionTLS10}} {
		client := newClient(t, server, Options{})
		if settings != nil {
			settings.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			client = New(Options{TLS: settings})
		}
		if _, _, err := get(t, client, server.URL); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("%s: got error %v, want one of the version", name, err)
		}
	}
}

func TestAHeaderOverItsBoundIsRefused(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Large", strings.Repeat("x", 5000)) }, nil)
	if _, _, err := get(t, newClient(t, server, Options{MaxHeader: 4000}), server.URL); err == nil {
		t.Error("got no error, want that the header is too large")
	}
	if _, _, err := get(t, newClient(t, server, Options{}), server.URL); err != nil {
		t.Error(err)
	}
}

func TestNobodyIsAskedToCompress(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
	}, nil)
	if _, encodings, err := get(t, newClient(t, server, Options{}), server.URL); err != nil || encodings != "" {
		t.Errorf("got Accept-Encoding %q and error %v, want none", encodings, err)
	}
}

// TestTheProxyOfTheEnvironment runs itself once more, because net/http reads the environment once.
func TestTheProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	const marker = "OUTBOUND_TEST_URL"
	if url := os.Getenv(marker); url != "" {
		for _, o := range []Options{{Proxies: true}, {Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialed itself") }}} {
			_, body, err := get(t, New(o), url)
			if want := "by proxy: " + url; o.Proxies && (err != nil || body != want) {
				t.Errorf("got %q and error %v, want %q", body, err, want)
			}
			if !o.Proxies && (err == nil || !strings.Contains(err.Error(), "dialed itself")) {
				t.Errorf("got %q and error %v, want no proxy where none is wanted", body, err)
			}
		}
		return
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "by proxy: "+r.URL.String()) }))
	defer proxy.Close()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), marker+"=http://service.test/", "HTTP_PROXY="+proxy.URL, "NO_PROXY=")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// pipes makes Options whose every connection is a pipe to talk, in the same process: so a test can be inside
// synctest, and time passes at once.
func pipes(t *testing.T, o Options, talk func(net.Conn)) Options {
	t.Helper()
	var talking sync.WaitGroup
	t.Cleanup(talking.Wait)
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		talking.Go(func() {
			defer far.Close()
			talk(far)
		})
		return near, nil
	}
	return o
}

// answering is a server that reads a request and writes these pieces, one each second.
func answering(pieces ...string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		for _, piece := range pieces {
			time.Sleep(time.Second) // of the bubble
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, conn) // until the client closes the connection
	}
}

func TestTimeOuts(t *testing.T) {
	t.Parallel()
	const second = time.Second
	stall := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	header := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	for name, tt := range map[string]struct {
		o    Options
		talk func(net.Conn)
		ends time.Duration // 0 = the answer comes
	}{
		"no header":                           {Options{Header: 5 * second}, answering(), 5 * second},
		"a header in time":                    {Options{Header: 5 * second}, answering(header, "body"), 0},
		"a body that goes on for too long":    {Options{Total: 3500 * time.Millisecond}, answering(header, "b", "o", "d", "y"), 3500 * time.Millisecond},
		"nothing at all":                      {Options{Stall: stall(5 * second)}, answering(), 5 * second},
		"nothing behind the header":           {Options{Stall: stall(5 * second)}, answering(header), 6 * second},
		"nothing in the middle of the body":   {Options{Stall: stall(5 * second)}, answering(header, "b"), 7 * second},
		"a body that is slow and never still": {Options{Stall: stall(2 * second)}, answering(header, "b", "o", "d", "y"), 0},
		"a handshake that does not begin":     {Options{Connect: 2 * second}, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 4 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := New(pipes(t, tt.o, tt.talk))
				defer client.CloseIdleConnections()
				begun, url := time.Now(), "http://service.test/"
				if tt.o.Connect > 0 {
					url = "https://service.test/"
				}
				_, body, err := get(t, client, url)
				if tt.ends == 0 {
					if err != nil || body != "body" {
						t.Errorf("got %q and error %v, want the body", body, err)
					}
					return
				}
				var timeout net.Error
				if took := time.Since(begun); took != tt.ends || !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("got error %v after %s, want a time-out after %s", err, took, tt.ends)
				}
			})
		})
	}
}
