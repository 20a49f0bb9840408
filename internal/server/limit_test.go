package server

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stuck is a handler whose requests stay until they are let go.
type stuck struct{ letGo chan struct{} }

func (s stuck) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	<-s.letGo
	w.WriteHeader(http.StatusOK)
}

// ask sends one request and returns its answer when it is there.
func ask(h http.Handler, client string) chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
		r.RemoteAddr = client
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		answer <- w
	}()
	return answer
}

func wantRefusal(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("got body %q: %v", w.Body, err)
	}
	if w.Code != status || len(body.Errors) != 1 || body.Errors[0].Code != code || body.Errors[0].Message == "" {
		t.Errorf("got %d %s, want %d with code %s", w.Code, w.Body, status, code)
	}
	if w.Header().Get("Retry-After") != "5" {
		t.Errorf("got Retry-After %q, want 5", w.Header().Get("Retry-After"))
	}
}

func TestLimitAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := Limits{MaxConcurrentRequests: 1, Queue: 1, QueueWait: 5 * time.Second}
		m := NewMetrics(nil)
		s := stuck{make(chan struct{})}
		h := newLimiter(limits, m, newClients(limits)).handler(s, newInFlight(), nil)

		first := ask(h, "10.0.0.1:1")
		synctest.Wait()
		second := ask(h, "10.0.0.1:2")
		synctest.Wait()
		third := ask(h, "10.0.0.1:3")
		wantRefusal(t, <-third, 503, "UNAVAILABLE") // at once: the queue is full
		begun := time.Now()
		wantRefusal(t, <-second, 503, "UNAVAILABLE")
		if waited := time.Since(begun); waited != limits.QueueWait {
			t.Errorf("the second waited %v in the queue, want %v", waited, limits.QueueWait)
		}

		fourth := ask(h, "10.0.0.1:4")
		synctest.Wait()
		s.letGo <- struct{}{}
		s.letGo <- struct{}{}
		if got := (<-first).Code; got != 200 {
			t.Errorf("got %d for the first, want 200", got)
		}
		if got := (<-fourth).Code; got != 200 {
			t.Errorf("got %d for one that waited its turn, want 200", got)
		}
		if got := testutil.ToFloat64(m.queueFull); got != 1 {
			t.Errorf("got %v refused for a full queue, want 1", got)
		}
		if got := testutil.ToFloat64(m.queueWait); got != 1 {
			t.Errorf("got %v refused after waiting, want 1", got)
		}
	})
}

func TestLimitClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{})}
		limits := Limits{RequestsPerClient: 1, QueueWait: 5 * time.Second}
		limiter := newLimiter(limits, NewMetrics(nil), newClients(limits))
		h := limiter.handler(s, newInFlight(), nil)
		first := ask(h, "10.0.0.1:1")
		synctest.Wait()
		wantRefusal(t, <-ask(h, "[::ffff:10.0.0.1]:2"), 429, "TOOMANYREQUESTS")
		other := ask(h, "10.0.0.2:1")
		socket := []chan *httptest.ResponseRecorder{ask(h, "@"), ask(h, "@")}
		synctest.Wait()
		close(s.letGo)
		for _, answer := range append(socket, first, other) {
			if got := (<-answer).Code; got != 200 {
				t.Errorf("got %d, want 200", got)
			}
		}
		if len(limiter.clients.of) > 0 {
			t.Errorf("got clients %v after their requests, want none", limiter.clients.of)
		}
	})
}

func TestHealthIsNeverLimited(t *testing.T) {
	t.Parallel()
	entered, letGo := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-letGo
		}
		_, _ = io.WriteString(w, "fine")
	})
	r := start(t, h, func(o *Options) {
		o.Config.Limits = Limits{MaxConcurrentRequests: 1, QueueWait: time.Minute}
		o.Unlimited = []string{"/healthz"}
		o.Config.ExternalURL = "https://registry.example.com/registry/"
	})
	slow := make(chan struct{})
	go func() {
		r.get(t, "/slow")
		close(slow)
	}()
	<-entered
	if status, _ := r.get(t, "/v2/"); status != 503 {
		t.Errorf("got %d for a request too many, want 503", status)
	}
	for path, want := range map[string]int{"/healthz": 200, "/registry/healthz": 200, "/registry/registry/healthz": 503} {
		if status, body := r.get(t, path); status != want {
			t.Errorf("got %d %s for %s of a busy server, want %d", status, body, path, want)
		}
	}
	close(letGo)
	<-slow
}

func TestConnectionsPerClient(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	r := start(t, say("fine"), func(o *Options) {
		o.Config.Limits.MaxConcurrentRequests, o.Config.Limits.ConnectionsPerClient = 0, 1
		o.Metrics = NewMetrics(registry)
	})
	first, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	request := "GET / HTTP/1.1\r\nHost: sreg\r\n\r\n"
	if _, err := io.WriteString(first, request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 15)); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := second.Read(make([]byte, 1)); n > 0 {
		t.Error("got an answer on a connection too many")
	}
	second.Close()
	first.Close()
	// The server notices the close in its own time.
	for deadline := time.Now().Add(10 * time.Second); ; {
		response, err := http.Get("http://" + r.addr())
		if err == nil {
			response.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v after the first connection was closed, want an answer", err)
		}
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header                { return d.header }
func (d *discard) Write(p []byte) (int, error)        { return len(p), nil }
func (d *discard) WriteHeader(int)                    {}
func (d *discard) SetWriteDeadline(_ time.Time) error { return nil }
func (d *discard) SetReadDeadline(_ time.Time) error  { return nil }
