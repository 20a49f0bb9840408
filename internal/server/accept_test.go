package server

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPlainHTTPOnATLSPortIsToldSo(t *testing.T) {
	t.Parallel()
	r, _ := startTLS(t, say("secret"), nil)
	status, body := r.get(t, "/")
	if status != http.StatusUnauthorized || !json.Valid([]byte(body)) || !strings.Contains(body, "use https://") {
		t.Errorf("got %d %q, want 401 and what to do, as a registry says it", status, body)
	}
	answer, err := http.Head("http://" + r.addr())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || !answer.Close || answer.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("HEAD got %d, %v, want 401 and the end, and nothing to send a password for in plain text", answer.StatusCode, answer.Header)
	}
}

func TestAStalledHandshakeBlocksNobodyAndTimesOut(t *testing.T) {
	t.Parallel()
	r, trust := startTLS(t, say("fine"), func(o *Options) { o.Config.Timeouts.Handshake = 300 * time.Millisecond })
	stalled, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	if _, err := stalled.Write([]byte{22, 3, 1}); err != nil { // begins a handshake
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", r.addr(), trust)
	if err != nil {
		t.Fatalf("another client's handshake: %v", err)
	}
	conn.Close()
	if _, err := io.ReadAll(stalled); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("got error %v, want that the server closed the connection", err)
	}
}

func TestAStalledHandshakeDoesNotHoldAShutDown(t *testing.T) {
	t.Parallel()
	r, _ := startTLS(t, say("fine"), func(o *Options) { o.Config.Limits.ConnectionsPerClient = 1 })
	stalled, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if clients := r.clients.of; len(clients) > 0 {
		t.Errorf("got clients %v after the end, want none", clients)
	}
}

func TestAClosedAcceptorEndsItsHTTPServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := s.bound[0]
	if err := b.acceptor.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.server.Accept(); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("got error %v, want %v", err, http.ErrServerClosed)
	}
}
