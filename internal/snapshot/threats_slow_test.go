package snapshot_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// slowClients send the header of a request with a body, and of the body as much as their test lets them.
type slowClients struct {
	w       *world
	reading sync.WaitGroup // requests that have no answer, and whose body the server has not begun to read
	answers chan int       // their statuses, 0 if there was none
	header  http.Header    // that each request has besides
	length  int64          // of each body
	bodies  []*io.PipeWriter
}

func (w *world) slowClients() *slowClients {
	s := &slowClients{w: w, answers: make(chan int, 1000), length: 90_000}
	w.t.Cleanup(s.end)
	return s
}

func (s *slowClients) end() {
	for _, body := range s.bodies {
		body.CloseWithError(io.ErrClosedPipe)
	}
	s.bodies = nil
}

// send begins one more request. The server says when it begins to read the body: 100 Continue.
func (s *slowClients) send(method, path, contentType string) {
	s.w.t.Helper()
	from, to := io.Pipe()
	s.bodies = append(s.bodies, to)
	s.reading.Add(1)
	begun := sync.OnceFunc(s.reading.Done)
	trace := &httptrace.ClientTrace{Got100Continue: begun}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(s.w.t.Context(), trace), method, s.w.url+path, from)
	must(s.w.t, err)
	maps.Copy(r.Header, s.header)
	r.ContentLength = s.length
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Expect", "100-continue")
	go func() { // ends with end, or the time-outs of the server
		defer begun()
		response, err := s.w.client.Do(r)
		if err != nil {
			s.answers <- 0
			return
		}
		response.Body.Close()
		s.answers <- response.StatusCode
	}()
}

// sendAll sends a form, a manifest and a chunk of an upload.
func (s *slowClients) sendAll() {
	s.w.t.Helper()
	location, err := s.w.api("").StartUpload(s.w.t.Context(), "slow")
	must(s.w.t, err)
	s.send("POST", "/token", "application/x-www-form-urlencoded")
	s.send("PUT", "/v2/slow/manifests/1", ocitest.Image("slow").MediaType)
	s.send("PATCH", location, "application/octet-stream")
}

// trickle sends a byte of each body now and then, until the test ends.
func (s *slowClients) trickle() {
	for _, body := range s.bodies {
		go func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := body.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
	}
}

// overBothVersions runs a test over HTTP/1.1 and over HTTP/2, in a world where everybody may do everything.
func overBothVersions(t *testing.T, limits string, test func(t *testing.T, w *world)) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, setup{config: "policy: {default: allow}\nserver: {" + limits + "}\n", users: user(t, "a")})
		w.client.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
		test(t, w)
	})
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		folder, roots := t.TempDir(), x509.NewCertPool()
		ca, caKey := newCertificate(t, "ca", nil, nil)
		roots.AddCert(ca)
		host, hostKey := newCertificate(t, "localhost", ca, caKey)
		der, err := x509.MarshalPKCS8PrivateKey(hostKey)
		must(t, err)
		certificate, key := filepath.Join(folder, "host.pem"), filepath.Join(folder, "host.key")
		writePEM(t, certificate, "CERTIFICATE", host.Raw)
		writePEM(t, key, "PRIVATE KEY", der)
		w := newWorld(t, setup{
			config: fmt.Sprintf("policy: {default: allow}\nserver: {listeners: [{name: main, address: '127.0.0.1:0', tls: true}], "+
				"tls: {cert_file: %q, key_file: %q}, %s}\n", certificate, key, limits),
			users: user(t, "a"),
		})
		w.url = "https://" + w.bound[0].Addr.String()
		w.client.Transport = &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, ForceAttemptHTTP2: true, ExpectContinueTimeout: time.Hour,
		}
		response, err := w.client.Get(w.url + "/healthz")
		must(t, err)
		response.Body.Close()
		if response.ProtoMajor != 2 {
			t.Fatalf("got an answer over %s, want HTTP/2", response.Proto)
		}
		test(t, w)
	})
}

// TestThreatSlotsHeldBySlowBodies: bodies that are waited for keep nobody else waiting, whatever they are for.
func TestThreatSlotsHeldBySlowBodies(t *testing.T) {
	t.Parallel()
	const limits = "limits: {max_concurrent_requests: 2, queue_wait: 10s, requests_per_client: 0}"
	overBothVersions(t, limits, func(t *testing.T, w *world) {
		slow := w.slowClients()
		for range 10 {
			slow.sendAll()
		}
		slow.reading.Wait()
		slow.trickle()
		w.pushImage("", "app", "1", "a")
		w.get("/v2/app/manifests/1", "").is(t, 200)
		w.get("/v2/app/blobs/"+digestOf("layer a"), "").is(t, 200)
		w.get("/token", signIn("a")).is(t, 200)
		if len(slow.answers) > 0 {
			t.Errorf("got an answer of %d to a body that was still coming, want none yet", <-slow.answers)
		}
	})
}

// TestThreatSlotsHeldByLargeBodies: a large manifest waits for the memory that slow ones have, and holds no slot.
func TestThreatSlotsHeldByLargeBodies(t *testing.T) {
	t.Parallel()
	const limits = "limits: {max_concurrent_requests: 2, queue_wait: 10s, requests_per_client: 0}"
	overBothVersions(t, limits, func(t *testing.T, w *world) {
		slow := w.slowClients()
		slow.length = 4 << 20
		for range 8 {
			slow.send("PUT", "/v2/slow/manifests/1", ocitest.Image("slow").MediaType)
		}
		slow.reading.Wait()
		var begun sync.WaitGroup
		for _, body := range slow.bodies {
			begun.Go(func() { _, _ = body.Write(make([]byte, 100<<10)) }) // ends when it is read, or with the test
		}
		w.pushImage("", "app", "1", "a")
		w.get("/v2/app/manifests/1", "").is(t, 200)
		slow.end()
		begun.Wait()
	})
}

// TestThreatSlotsHeldByOneSession: whoever waits until another request has left an upload holds no slot.
func TestThreatSlotsHeldByOneSession(t *testing.T) {
	t.Parallel()
	const limits = "limits: {max_concurrent_requests: 2, queue_wait: 10s, requests_per_client: 0}"
	overBothVersions(t, limits, func(t *testing.T, w *world) {
		location, err := w.api("").StartUpload(t.Context(), "slow")
		must(t, err)
		slow := w.slowClients()
		slow.send("PATCH", location, "application/octet-stream")
		slow.reading.Wait()
		var waiting sync.WaitGroup
		var answered atomic.Bool
		for _, method := range []string{"PATCH", "PUT", "DELETE", "PATCH"} {
			path := location
			if method == "PUT" {
				path += "?digest=" + digestOf("")
			}
			waiting.Go(func() { // ends when the slow one has
				r := w.do(call{method: method, path: path})
				answered.Store(true)
				if r.status >= 500 {
					t.Errorf("%s: got %d behind a slow one, want an answer of the session", r.call, r.status)
				}
			})
		}
		for w.inFlight() < 5 { // with fewer slots than that
			if answered.Load() {
				t.Fatal("a request was answered beside the one that it waits for, want that all wait at once")
			}
			runtime.Gosched()
		}
		w.get("/v2/_catalog", "").is(t, 200)
		slow.end()
		waiting.Wait()
	})
}

// inFlight is how many requests are being answered.
func (w *world) inFlight() float64 {
	families, err := w.metrics.Gather()
	must(w.t, err)
	for _, family := range families {
		if family.GetName() == "sreg_http_requests_in_flight" {
			return family.Metric[0].Gauge.GetValue()
		}
	}
	return 0
}

// TestThreatBodiesOfAByteNowAndThen: such a body has an end, however regularly its bytes come.
func TestThreatBodiesOfAByteNowAndThen(t *testing.T) {
	t.Parallel()
	const limits = "limits: {requests_per_client: 0}, timeouts: {stall: 300ms, body: 300ms, least_rate: 1MiB}"
	overBothVersions(t, limits, func(t *testing.T, w *world) {
		slow := w.slowClients()
		slow.sendAll()
		slow.reading.Wait()
		slow.trickle()
		for range slow.bodies {
			if got := <-slow.answers; got != http.StatusRequestTimeout {
				t.Errorf("got %d, want 408", got)
			}
		}
	})
}

// TestThreatOneClientOfAProxy: whoever sends too much is refused, by streams as by connections, and nobody else behind
// the same proxy is.
func TestThreatOneClientOfAProxy(t *testing.T) {
	t.Parallel()
	const limits = "trusted_proxies: [127.0.0.1], limits: {max_concurrent_requests: 4, requests_per_client: 3}"
	overBothVersions(t, limits, func(t *testing.T, w *world) {
		slow := w.slowClients()
		slow.header = from("192.0.2.1")
		for range 3 {
			slow.send("POST", "/token", "application/x-www-form-urlencoded")
		}
		slow.reading.Wait()
		ask := func(header http.Header) reply { return w.do(call{method: "GET", path: "/v2/_catalog", header: header}) }
		refused := ask(from("192.0.2.1")).is(t, http.StatusTooManyRequests)
		if refused.code() != "TOOMANYREQUESTS" || refused.header.Get("Retry-After") == "" {
			t.Errorf("got %s, Retry-After %q", refused.body, refused.header.Get("Retry-After"))
		}
		ask(from("192.0.2.1, 198.51.100.1")).is(t, http.StatusOK)
		ask(from("192.0.2.2")).is(t, http.StatusOK)
		ask(nil).is(t, http.StatusOK) // the proxy itself
	})
}

// TestARateOfRequests: one client and one user may be bounded, and no other one is by that.
func TestARateOfRequests(t *testing.T) {
	t.Parallel()
	const config = "policy: {default: allow}\nserver: {trusted_proxies: [127.0.0.1], limits: {%s: 0.001}}\n"
	for _, tt := range []struct {
		limit              string
		address, who, both int // of a request from another address, by another user, and both
	}{
		{limit: "rate_per_client", address: 200, who: 429, both: 200},
		{limit: "rate_per_user", address: 429, who: 200, both: 200},
	} {
		t.Run(tt.limit, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{config: fmt.Sprintf(config, tt.limit), users: user(t, "a") + user(t, "b") + user(t, "c")})
			ask := func(who, address string) reply {
				return w.do(call{method: "GET", path: "/v2/_catalog", auth: signIn(who), header: from(address)})
			}
			ask("a", "192.0.2.1").is(t, http.StatusOK)
			refused := ask("a", "192.0.2.1").is(t, http.StatusTooManyRequests)
			if wait, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || wait < 1 || wait > 1000 || refused.code() != "TOOMANYREQUESTS" {
				t.Errorf("got %s, Retry-After %q, want up to 1000", refused.body, refused.header.Get("Retry-After"))
			}
			ask("a", "192.0.2.2").is(t, tt.address)
			ask("b", "192.0.2.1").is(t, tt.who)
			ask("c", "192.0.2.3").is(t, tt.both)
		})
	}
}
