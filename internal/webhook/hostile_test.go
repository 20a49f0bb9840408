package webhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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

func TestWhoGoesAwayIsNotAFailureOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for name, ttl := range map[string]time.Duration{"cached": time.Minute, "not cached": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := overPipe(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, func(c *Config) { c.CacheTTL = ttl })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				got := c.Ask(ctx, Question{})
				if got.Result != Canceled || got.Allowed() || got.Broken() || !errors.Is(got.Err, context.DeadlineExceeded) {
					t.Errorf("got %s, %v, want canceled", got.Result, got.Err)
				}
				time.Sleep(c.config.Timeout) // of the bubble: the shared question ends by its time-out
			})
		})
	}
}
