package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sreg-project/sreg/internal/outbound"
)

const (
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 16 << 10
	// maxBody is how much of a body is read, only so that the connection can be used again.
	maxBody = 4 << 10
	// maxConnections bounds the connections to one endpoint. Further questions wait for one, within their
	// time-out.
	maxConnections = 128
)

var errTimeout = errors.New("no answer in time")

// options ask the endpoint of the config and nobody else: no proxy, no redirect.
func (c Config) options(settings *tls.Config) outbound.Options {
	return outbound.Options{
		TLS: settings, Connect: c.Timeout, MaxHeader: maxHeader, Idle: maxConnections, MaxConnections: maxConnections,
	}
}

// header is the header of the request to the endpoint: what sreg says, and what it sends on.
func (c *Client) header(q Question) http.Header {
	header := http.Header{"User-Agent": {"sreg"}}
	for _, name := range c.forward {
		if values := q.Incoming[name]; len(values) > 0 {
			header[name] = values
		}
	}
	// A question may be asked twice, so net/http may send it again where the endpoint has closed a connection
	// that was kept. A header without a value tells net/http so, and is not sent.
	header["Idempotency-Key"] = []string{}
	if token := c.config.BearerToken.Reveal(); token != "" {
		header["Authorization"] = []string{"Bearer " + token}
	}
	if c.config.Method == post {
		header["Content-Type"] = []string{"application/json"}
		return header
	}
	for _, fact := range q.Facts {
		if len(fact.Values) > 0 {
			header[fact.Name] = []string{fact.line()}
		}
	}
	return header
}

// send asks the endpoint.
func (c *Client) send(ctx context.Context, header http.Header, document []byte) Answer {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, errTimeout)
	defer cancel()
	begun := time.Now()
	answer := c.exchange(ctx, header, document)
	c.metrics.observe(answer.Result, time.Since(begun))
	return answer
}

func (c *Client) exchange(ctx context.Context, header http.Header, document []byte) Answer {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if c.config.Method == post {
		method, body = http.MethodPost, bytes.NewReader(document)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.config.URL, body)
	if err != nil {
		return failure(ctx, err)
	}
	r.Header = header
	if c.config.Username != "" {
		r.SetBasicAuth(c.config.Username, c.config.Password.Reveal())
	}
	response, err := c.http.Do(r)
	if err != nil {
		return failure(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols { // then the body is the bare connection, which knows no time-out
		// The status is the whole answer. If more of the body is left, the connection is not used again.
		_, _ = io.CopyN(io.Discard, response.Body, maxBody)
	}
	return answerOf(response.StatusCode)
}
