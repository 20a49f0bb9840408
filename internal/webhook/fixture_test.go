package webhook

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/cache/memory"
	"github.com/sreg-project/sreg/internal/outbound"
)

// newClient makes a client of an endpoint.
func newClient(t testing.TB, url string, change func(*Config)) *Client {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Name, cfg.URL, cfg.CacheTTL = "guard", url, 0
	if change != nil {
		change(&cfg)
	}
	cfg.Validate(func(path, problem string) { t.Errorf("config of the test: %s: %s", path, problem) })
	metrics := NewMetrics(prometheus.NewRegistry())
	client, err := New(cfg, metrics, memory.New(bytesize.MiB))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// overPipe makes a client whose every connection is a pipe to talk, in the same process: so a test
// can be inside synctest, and no port is needed.
func overPipe(t testing.TB, talk func(net.Conn), change func(*Config)) *Client {
	t.Helper()
	client := newClient(t, "http://endpoint.test/authz", change)
	var talking sync.WaitGroup
	t.Cleanup(func() {
		client.http.CloseIdleConnections()
		talking.Wait()
	})
	options := client.config.options(nil)
	options.Dial = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		talking.Go(func() {
			defer far.Close()
			talk(far)
		})
		return near, nil
	}
	client.http = outbound.New(options)
	return client
}

// says is an endpoint that reads a request and then writes these bytes, whatever they are.
func says(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		if readRequest(bufio.NewReader(conn)) == nil {
			return
		}
		_, _ = io.WriteString(conn, answer) // the client may hang up at any byte
	}
}

// readRequest reads one request with its body, nil if there is none.
func readRequest(from *bufio.Reader) *http.Request {
	r, err := http.ReadRequest(from)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// serves is an endpoint that answers each request with the status that handle returns.
func serves(handle func(*http.Request) int) func(net.Conn) {
	return func(conn net.Conn) {
		for from := bufio.NewReader(conn); ; {
			r := readRequest(from)
			if r == nil {
				return
			}
			response := http.Response{StatusCode: handle(r), ProtoMajor: 1, ProtoMinor: 1}
			if response.Write(conn) != nil {
				return
			}
		}
	}
}

func ask(t testing.TB, c *Client, document string) Answer {
	t.Helper()
	return c.Ask(t.Context(), Question{Document: []byte(document)})
}

// lines are the header lines of a request as they came, without the request line.
func lines(raw string) []string {
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	return strings.Split(head, "\r\n")[1:]
}
