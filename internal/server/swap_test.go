package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func (r *running) swap(t *testing.T, handler http.Handler, change func(*Config)) (ended <-chan struct{}) {
	t.Helper()
	return swap(t, r.Server, func(Listener) http.Handler { return handler }, change)
}

// held is a handler whose first request waits.
type held struct {
	begun         atomic.Bool
	entered, goOn chan struct{}
	text          string
}

func newHeld(text string) *held {
	return &held{entered: make(chan struct{}), goOn: make(chan struct{}), text: text}
}

func (h *held) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if h.begun.CompareAndSwap(false, true) {
		close(h.entered)
		<-h.goOn
	}
	_, _ = io.WriteString(w, h.text)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestARequestEndsOnWhatItBeganWith(t *testing.T) {
	t.Parallel()
	before := newHeld("before")
	r := start(t, before, nil)
	got := make(chan string, 1)
	go func() {
		_, body := r.get(t, "/")
		got <- body
	}()
	<-before.entered
	ended := r.swap(t, say("after"), nil)
	if _, body := r.get(t, "/"); body != "after" {
		t.Errorf("got %q for a request behind the swap, want after", body)
	}
	if isClosed(ended) {
		t.Error("ended is closed while a request is on the handler before")
	}
	close(before.goOn)
	if body := <-got; body != "before" {
		t.Errorf("got %q for a request that began before the swap, want before", body)
	}
	<-ended
	if ended := r.swap(t, say("last"), nil); !isClosed(ended) {
		t.Error("ended is not closed although no request was under way")
	}
}

// TestNoRequestIsLostOrOnAClosedHandler swaps as fast as it can while clients ask.
func TestNoRequestIsLostOrOnAClosedHandler(t *testing.T) {
	t.Parallel()
	var closed [200]atomic.Bool
	handler := func(i int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if closed[i].Load() {
				t.Errorf("a request is on handler %d, which was closed", i)
			}
			_, _ = io.WriteString(w, "fine")
			if closed[i].Load() {
				t.Errorf("handler %d was closed under a request", i)
			}
		})
	}
	r, trust := startTLS(t, handler(0), nil)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: n%2 == 0}}
			defer client.CloseIdleConnections()
			for !isClosed(stop) {
				// A client would ask once more for a GET that was lost, and not for a POST.
				response, err := client.Post("https://"+r.addr(), "text/plain", strings.NewReader("body"))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || string(body) != "fine" {
					t.Errorf("got %d %q, %v, want fine", response.StatusCode, body, err)
				}
			}
		})
	}
	var closers sync.WaitGroup
	for i := 1; i < len(closed); i++ {
		ended := r.swap(t, handler(i), func(c *Config) {
			c.Timeouts.Idle = time.Duration(100+i/10) * time.Second // new http.Servers, now and then
			c.Limits.Queue = i
		})
		closers.Go(func() {
			<-ended
			closed[i-1].Store(true)
		})
	}
	closers.Wait()
	close(stop)
	clients.Wait()
}

func TestASwapThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	r, trust := startTLS(t, say("before"), nil)
	live := Live{Config: r.opts.Config, Handler: func(Listener) http.Handler { return say("after") }}
	live.Config.TLS.CertFile = "/absent.crt"
	live.Config.Limits.ConnectionsPerClient = 1
	if _, err := r.Swap(live); err == nil || !strings.Contains(err.Error(), "/absent.crt") {
		t.Errorf("got error %v, want one with the file", err)
	}
	for range 2 {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
		defer client.CloseIdleConnections()
		response, err := client.Get("https://" + r.addr())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "before" {
			t.Errorf("got %q, want before", body)
		}
	}
}

// dialTLS opens a connection and asks once on it.
func dialTLS(t *testing.T, addr string, config *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if response := askOn(t, conn); response.StatusCode != http.StatusOK || response.Close {
		t.Fatalf("got %d, close %t, want 200 on a connection that stays open", response.StatusCode, response.Close)
	}
	return conn
}

func askOn(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: sreg.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response
}

func TestCertificatesAreReplaced(t *testing.T) {
	t.Parallel()
	r, trust := startTLS(t, say("fine"), nil)
	conn := dialTLS(t, r.addr(), trust)
	second, certificate := newCertificate(t, "sreg.test")
	r.swap(t, say("fine"), func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = second.CertFile, second.KeyFile })

	if response := askOn(t, conn); response.StatusCode != http.StatusOK || !response.Close {
		t.Errorf("got %d, close %t on the open connection, want an answer and that it closes", response.StatusCode, response.Close)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("got error %v, want that the server closes the connection", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	dialTLS(t, r.addr(), &tls.Config{RootCAs: pool, ServerName: "sreg.test"})
}

func TestAFileOfTheSameNameIsReadAnew(t *testing.T) {
	t.Parallel()
	r, _ := startTLS(t, say("fine"), nil)
	second, certificate := newCertificate(t, "sreg.test")
	for from, to := range map[string]string{second.CertFile: r.opts.Config.TLS.CertFile, second.KeyFile: r.opts.Config.TLS.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	r.swap(t, say("fine"), nil)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	dialTLS(t, r.addr(), &tls.Config{RootCAs: pool, ServerName: "sreg.test"})
}

func TestASwapOfHTTP2(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	r, trust := startTLS(t, h, nil)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	// The connection of HTTP/2 gives one more answer, and then goes away without an error.
	for i, want := range []string{"HTTP/2.0", "HTTP/2.0", "HTTP/1.1", "HTTP/1.1"} {
		response, err := client.Get("https://" + r.addr())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != want {
			t.Errorf("got %q for request %d, want %s", body, i, want)
		}
		if i == 0 {
			r.swap(t, h, func(c *Config) { c.HTTP2 = false })
		}
	}
}

// mutualTLS is a server that wants client certificates of one of two CAs, and how a client of each connects.
type mutualTLS struct {
	*running
	both, second string // files of CAs
	clients      map[string]*tls.Config
}

func newMutualTLS(t *testing.T) mutualTLS {
	t.Helper()
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	folder := t.TempDir()
	m := mutualTLS{both: filepath.Join(folder, "both"), second: filepath.Join(folder, "second"), clients: map[string]*tls.Config{}}
	for path, content := range map[string][]byte{m.both: append(first.pem(), second.pem()...), m.second: second.pem()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var trust *tls.Config
	m.running, trust = startTLS(t, say("fine"), func(o *Options) { o.Config.TLS.ClientCAFile = m.both })
	for name, authority := range map[string]authority{"first": first, "second": second} {
		m.clients[name] = trust.Clone()
		certificate := authority.issue(t, name, time.Now().Add(time.Hour))
		m.clients[name].GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
		m.clients[name].ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	m.clients["nobody"] = trust
	return m
}

func TestAClientCAThatIsTakenAwayLetsNobodyIn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(m mutualTLS, c *TLS)
		in     map[string]bool // who gets one more answer on an open connection
	}{
		{
			"a CA of two", func(m mutualTLS, c *TLS) { c.ClientCAFile = m.second },
			map[string]bool{"first": false, "second": true, "nobody": true},
		},
		{
			"clients must show a certificate now", func(_ mutualTLS, c *TLS) { c.ClientAuth = "required" },
			map[string]bool{"first": true, "second": true, "nobody": false},
		},
		{
			"clients show none any more", func(_ mutualTLS, c *TLS) { c.ClientAuth = "none" },
			map[string]bool{"first": false, "second": false, "nobody": true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMutualTLS(t)
			open := map[string]*tls.Conn{}
			for name, config := range m.clients {
				open[name] = dialTLS(t, m.addr(), config)
			}
			m.swap(t, say("fine"), func(c *Config) { tt.change(m, &c.TLS) })
			for name, conn := range open {
				if tt.in[name] {
					if response := askOn(t, conn); response.StatusCode != http.StatusOK || !response.Close {
						t.Errorf("%s: got %d, close %t, want one more answer", name, response.StatusCode, response.Close)
					}
					continue
				}
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: sreg.test\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if got, _ := io.ReadAll(conn); len(got) > 0 {
					t.Errorf("%s: got %q, want that the connection closes", name, got)
				}
			}
		})
	}
}

func TestASessionTicketOutlivesNoChangeOfClientCAs(t *testing.T) {
	t.Parallel()
	m := newMutualTLS(t)
	config := m.clients["second"]
	resumed := func() bool { return dialTLS(t, m.addr(), config).ConnectionState().DidResume }
	resumed() // gets the first ticket
	if !resumed() {
		t.Error("a session is not resumed at all")
	}
	m.swap(t, say("fine"), func(c *Config) { c.Limits.Queue = 7 })
	if !resumed() {
		t.Error("a session is not resumed behind a swap that has nothing to do with TLS")
	}
	m.swap(t, say("fine"), func(c *Config) { c.TLS.ClientCAFile = m.second })
	if resumed() {
		t.Error("a session is resumed that other CAs have verified")
	}
	if !resumed() {
		t.Error("a session of the new CAs is not resumed")
	}
	conn, err := tls.Dial("tcp", m.addr(), m.clients["first"])
	if err != nil {
		return // TLS 1.2
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); err == nil {
		t.Errorf("got %q for a client of the CA that was taken away, want an alert", got)
	}
}

func TestLimitsAreReplaced(t *testing.T) {
	t.Parallel()
	h := newHeld("fine")
	r := start(t, h, nil)
	answered := make(chan struct{})
	go func() {
		r.get(t, "/")
		close(answered)
	}()
	<-h.entered
	status := func(change func(*Limits)) int {
		r.swap(t, h, func(c *Config) {
			c.Limits = Limits{MaxConcurrentRequests: 1024}
			change(&c.Limits)
		})
		status, _ := r.get(t, "/")
		return status
	}
	if got := status(func(l *Limits) { l.MaxConcurrentRequests = 1 }); got != http.StatusOK {
		t.Errorf("got %d, want 200: the request before the swap has the limit before", got)
	}
	blocked := newHeld("fine")
	r.swap(t, blocked, func(c *Config) { c.Limits = Limits{MaxConcurrentRequests: 1, Queue: 0} })
	second := make(chan struct{})
	go func() {
		r.get(t, "/")
		close(second)
	}()
	<-blocked.entered
	if got, _ := r.get(t, "/"); got != http.StatusServiceUnavailable {
		t.Errorf("got %d for a request too many, want 503", got)
	}
	if got := status(func(l *Limits) { l.MaxConcurrentRequests, l.QueueWait = 1, time.Nanosecond }); got != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503: the request under way counts while the number is the same", got)
	}
	if got := status(func(l *Limits) { l.MaxConcurrentRequests = 2 }); got != http.StatusOK {
		t.Errorf("got %d behind a swap that permits more, want 200", got)
	}
	close(h.goOn)
	close(blocked.goOn)
	<-answered
	<-second
}

func TestALimitOfRequestsPerClientIsReplaced(t *testing.T) {
	t.Parallel()
	h := newHeld("fine")
	r := start(t, h, func(o *Options) { o.Config.Limits.MaxConcurrentRequests, o.Config.Limits.RequestsPerClient = 0, 2 })
	answered := make(chan struct{})
	go func() {
		r.get(t, "/")
		close(answered)
	}()
	<-h.entered
	for limit, want := range map[int]int{0: http.StatusOK, 1: http.StatusTooManyRequests, 2: http.StatusOK} {
		r.swap(t, h, func(c *Config) { c.Limits.RequestsPerClient = limit })
		if got, _ := r.get(t, "/"); got != want {
			t.Errorf("got %d with one request under way and a limit of %d, want %d", got, limit, want)
		}
	}
	close(h.goOn)
	<-answered
}

func TestALimitOfConnectionsCountsThoseThatAreOpen(t *testing.T) {
	t.Parallel()
	r := start(t, say("fine"), nil)
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	askOn(t, conn)
	r.swap(t, say("fine"), func(c *Config) { c.Limits.MaxConcurrentRequests, c.Limits.ConnectionsPerClient = 0, 1 })
	second, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if n, _ := second.Read(make([]byte, 1)); n > 0 {
		t.Error("got an answer on a connection too many")
	}
	if response := askOn(t, conn); response.Close {
		t.Error("a connection closes although no setting of connections was replaced")
	}
}

func TestTimeoutsAreThoseOfNewConnections(t *testing.T) {
	t.Parallel()
	r := start(t, say("fine"), func(o *Options) { o.Config.Timeouts.Header = time.Hour })
	before, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	askOn(t, before)
	old := r.bound[0].server
	r.swap(t, say("fine"), func(c *Config) { c.Timeouts.Header = 50 * time.Millisecond })
	after, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	for _, conn := range []net.Conn{before, after} {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost:"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(after); err != nil && !errors.Is(err, syscall.ECONNRESET) { // returns when the server closes
		t.Errorf("got error %v, want the end of the connection", err)
	}
	if _, err := io.WriteString(before, " sreg.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(before)
	if err != nil || !strings.Contains(string(answer), "Connection: close") || !strings.HasSuffix(string(answer), "fine") {
		t.Errorf("got %q, %v, want an answer behind which the connection closes", answer, err)
	}
	<-old.open.ended
}

func TestAReplacedHTTPServerIsDrainedToo(t *testing.T) {
	t.Parallel()
	h := newHeld("whole")
	drained := make(chan struct{})
	r := start(t, h, func(o *Options) { o.OnDrain = func() { close(drained) } })
	got := make(chan string, 1)
	go func() {
		_, body := r.get(t, "/")
		got <- body
	}()
	<-h.entered
	ended := r.swap(t, say("after"), func(c *Config) { c.Timeouts.Idle = time.Second })
	r.stop()
	<-drained
	close(h.goOn)
	if body := <-got; body != "whole" {
		t.Errorf("got %q, want the whole answer", body)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	<-ended
}

func TestAShutDownCutsTheRequestsOfEachGeneration(t *testing.T) {
	t.Parallel()
	entered, ended := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		defer close(ended)
		close(entered)
		<-req.Context().Done()
	}), nil)
	go func() {
		if response, err := http.Get("http://" + r.addr()); err == nil {
			response.Body.Close()
			t.Error("got an answer to a request that was cut")
		}
	}()
	<-entered
	r.swap(t, say("after"), func(c *Config) { c.Shutdown.Timeout = time.Millisecond })
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if !isClosed(ended) {
		t.Error("Serve returned while a handler was running that had noticed its end")
	}
}

func TestWhatAListenerServesIsReplaced(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	var got Listener
	swap(t, s, func(l Listener) http.Handler {
		got = l
		return say("")
	}, func(c *Config) {
		c.Listeners = []Listener{{Name: "main", Address: "192.0.2.1:1", TLS: true, Serves: []string{"health"}}}
	})
	if got.Address != "127.0.0.1:0" || got.TLS || len(got.Serves) != 1 {
		t.Errorf("got %+v, want another serves and the address as it was built", got)
	}
}

func TestTwoServersHaveTheirMetricsTogether(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	metrics := NewMetrics(registry)
	for range 2 {
		newServer(t, func(o *Options) { o.Metrics = metrics })
	}
	if families, err := registry.Gather(); err != nil || len(families) == 0 {
		t.Errorf("got %d metrics, %v", len(families), err)
	}
}

func TestABrokenListenerEndsTheServer(t *testing.T) {
	t.Parallel()
	r := start(t, say(""), nil)
	if err := r.bound[0].acceptor.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-r.done; err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("got error %v, want what the listener said", err)
	}
}

// onConnection is a request on an open connection of a server.
func onConnection(s *Server) *http.Request {
	peer := netip.MustParseAddr("192.0.2.1")
	s.clients.connect(peer, false)
	state := &connState{peer: peer, client: s.clients.of[peer]}
	r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
	return r.WithContext(context.WithValue(r.Context(), connKey{}, state))
}

func TestTheWayToAHandlerAllocatesOnce(t *testing.T) {
	s := newServer(t, nil)
	swap(t, s, func(Listener) http.Handler { return say("") }, nil)
	h := s.handler(0, s.current.Load().conns)
	w := &discard{header: http.Header{}}
	r := onConnection(s)
	if got := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); got > 1 {
		t.Errorf("got %v allocations, want one: what guards the response", got)
	}
}

func BenchmarkTheWayToAHandler(b *testing.B) {
	s, err := New(Options{Config: DefaultConfig()})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Swap(Live{Config: DefaultConfig(), Handler: func(Listener) http.Handler { return say("fine") }}); err != nil {
		b.Fatal(err)
	}
	h := s.handler(0, s.current.Load().conns)
	w := &discard{header: http.Header{}}
	r := onConnection(s)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
