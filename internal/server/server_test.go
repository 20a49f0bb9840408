package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a server that a test talks to.
type running struct {
	*Server
	stop func()     // begins the draining
	done chan error // what Serve returned
}

// start runs a server with one listener on a free port, unless the test changes the config.
func start(t *testing.T, handler http.Handler, change func(*Options)) *running {
	t.Helper()
	s := newServer(t, change)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	swap(t, s, func(Listener) http.Handler { return handler }, nil)
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx) }() // ends with stop
	t.Cleanup(stop)
	return r
}

func newServer(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	opts := Options{Config: DefaultConfig(), Logger: slog.New(slog.DiscardHandler)}
	opts.Config.Listeners[0].Address = "127.0.0.1:0"
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// swap replaces handlers and what change changes, and leaves the rest of the config as it was built.
func swap(t *testing.T, s *Server, handler func(Listener) http.Handler, change func(*Config)) (ended <-chan struct{}) {
	t.Helper()
	live := Live{Config: s.opts.Config, Handler: handler}
	if change != nil {
		change(&live.Config)
	}
	ended, err := s.Swap(live)
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

func (r *running) addr() string { return r.Bound()[0].Addr.String() }

func (r *running) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get("http://" + r.addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func TestBeforeASwapTheServerIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{Server: s, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx) }()
	if status, body := r.get(t, "/"); status != 503 || !strings.Contains(body, "UNAVAILABLE") {
		t.Errorf("got %d %s before a handler is there, want 503 UNAVAILABLE", status, body)
	}
	swap(t, s, func(Listener) http.Handler { return say("one") }, nil)
	if _, body := r.get(t, "/"); body != "one" {
		t.Errorf("got %q, want the handler that was swapped in", body)
	}
	swap(t, s, func(Listener) http.Handler { return say("two") }, nil)
	if _, body := r.get(t, "/"); body != "two" {
		t.Errorf("got %q, want the next handler", body)
	}
	stop()
	if err := <-r.done; err != nil {
		t.Errorf("got error %v from a graceful shut-down", err)
	}
}

func TestEachListenerHasItsHandler(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *Options) {
		o.Config.Listeners = []Listener{
			{Name: "main", Address: "127.0.0.1:0"},
			{Name: "admin", Address: "127.0.0.1:0", Serves: []string{"health"}},
		}
	})
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	swap(t, s, func(l Listener) http.Handler { return say(l.Name) }, nil)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	for _, b := range s.Bound() {
		response, err := http.Get("http://" + b.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != b.Name {
			t.Errorf("got %q on listener %s", body, b.Name)
		}
	}
	stop()
	<-done
}

func TestDrainingLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	drained := make(chan struct{})
	entered, goOn := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		close(entered)
		<-goOn
		if req.Context().Err() != nil {
			t.Error("the request's context ended when draining began")
		}
		_, _ = io.WriteString(w, "whole")
	}), func(o *Options) { o.OnDrain = func() { close(drained) } })

	got := make(chan string, 1)
	go func() {
		_, body := r.get(t, "/")
		got <- body
	}()
	<-entered
	r.stop()
	<-drained
	close(goOn)
	if body := <-got; body != "whole" {
		t.Errorf("got %q, want the whole answer", body)
	}
	if err := <-r.done; err != nil {
		t.Errorf("got error %v from a graceful shut-down", err)
	}
	if _, err := net.Dial("tcp", r.addr()); err == nil {
		t.Error("got a connection after the shut-down")
	}
}

func TestDrainingCutsWhatDoesNotFinish(t *testing.T) {
	t.Parallel()
	entered, ended := make(chan struct{}), make(chan struct{})
	var cutOff int64
	r := start(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		defer close(ended)
		close(entered)
		<-req.Context().Done()
	}), func(o *Options) {
		o.Config.Shutdown.Timeout = time.Millisecond
		o.OnCut = func(requests int64) { cutOff = requests }
	})

	failed := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + r.addr())
		if err == nil {
			response.Body.Close()
		}
		failed <- err
	}()
	<-entered
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("got error %v, want nil although a request was cut", err)
	}
	if cutOff != 1 {
		t.Errorf("it says that %d requests were cut off, want 1", cutOff)
	}
	select {
	case <-ended:
	default:
		t.Error("Serve returned while a handler was running that had noticed its end")
	}
	if err := <-failed; err == nil {
		t.Error("got an answer to a request that was cut")
	}
}

func TestWhileTheDelayLastsConnectionsAreAccepted(t *testing.T) {
	t.Parallel()
	draining := make(chan struct{})
	r := start(t, say("still here"), func(o *Options) {
		o.Config.Shutdown.Delay = 200 * time.Millisecond
		o.OnDrain = func() { close(draining) }
	})
	r.stop()
	<-draining
	if _, body := r.get(t, "/"); body != "still here" {
		t.Errorf("got %q during the delay, want an answer", body)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	live, err := net.Listen("unix", filepath.Join(dir, "live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		address string
		want    string
		hint    string
	}{
		{"a taken port", taken.Addr().String(), "address " + taken.Addr().String() + " is already in use", "--address"},
		{"an address of another computer", "192.0.2.1:0", "does not have that address", "--address"},
		{"a live socket", "unix:" + dir + "/live", "is already in use", "stop the other program"},
		{"a file where the socket should be", "unix:" + dir + "/file", "a file that is no socket is there", "remove it"},
		{"a socket without a folder", "unix:" + dir + "/absent/socket", "no such file or directory", "folder"},
		{"a socket that systemd did not hand over", "systemd:web", "no socket named web", "FileDescriptorName=web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, func(o *Options) { o.Config.Listeners[0].Address = tt.address })
			err := s.Listen(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), tt.hint) {
				t.Errorf("got no hint with %q in %v", tt.hint, err)
			}
		})
	}
}

func TestListenBindsAllOrNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	s := newServer(t, func(o *Options) {
		o.Config.Listeners = []Listener{{Name: "a", Address: "unix:" + path}, {Name: "b", Address: "192.0.2.1:0"}}
	})
	if err := s.Listen(t.Context()); err == nil {
		t.Fatal("got no error for an address of another computer")
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("the first listener still listens after the second failed")
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false) // as when its process is killed
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	r := start(t, say("over a socket"), func(o *Options) {
		o.Config.Listeners[0] = Listener{Name: "main", Address: "unix:" + path, Mode: "0660"}
	})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("got mode %o, want 660", got)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://sreg/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if string(body) != "over a socket" {
		t.Errorf("got %q", body)
	}
	r.stop()
	<-r.done
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for the socket after the end, want that it is gone", err)
	}
}

func TestSystemdSocket(t *testing.T) {
	t.Parallel()
	inherited, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(o *Options) { o.Config.Listeners[0].Address = "systemd:web" })
	s.inherited = func() (map[string][]net.Listener, error) {
		return map[string][]net.Listener{"web": {inherited}}, nil
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.unbind()
	if got, want := s.Bound()[0].Addr.String(), inherited.Addr().String(); got != want {
		t.Errorf("got address %s, want %s, which systemd handed over", got, want)
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, say(""), nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Huge", strings.Repeat("x", 2*maxHeaderBytes))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got status %d, want 431", response.StatusCode)
	}
}

func TestASlowHeaderIsCutOff(t *testing.T) {
	t.Parallel()
	r := start(t, say(""), func(o *Options) { o.Config.Timeouts.Header = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost:"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) { // returns when the server closes
		t.Errorf("got error %v, want the end of the connection", err)
	}
}

func TestErrorLogChoosesTheLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := newErrorLog(slog.New(slog.NewTextHandler(&out, nil)))
	log.Print("http: TLS handshake error from 1.2.3.4: EOF")
	if out.Len() > 0 {
		t.Errorf("got %q, want noise of clients at debug", out.String())
	}
	log.Print("http: Accept error: too many open files")
	if !strings.Contains(out.String(), "level=WARN") {
		t.Errorf("got %q, want a warning", out.String())
	}
}
