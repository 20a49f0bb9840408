// Package webhook asks an endpoint of the operator whether something may be done.
// It promises that only a status of 2xx allows, that no answer to one question is given to another one,
// and that an endpoint cannot make sreg wait, read or connect beyond what its config says.
// It must not know what it asks about: the question comes as bytes and headers.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sreg-project/sreg/internal/cache"
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

// Client asks one endpoint. New makes one.
type Client struct {
	// Name is what the config calls the webhook.
	Name string

	config  Config
	forward []string // canonical names
	http    *http.Client
	answers cache.Cache
	flights singleflight.Group
	metrics handles
}

// New makes a client, which remembers answers in a cache. Other instances with the same config may share it,
// if the config is Shareable. It reads the certificates and connects to nobody.
func New(cfg Config, metrics *Metrics, answers cache.Cache) (*Client, error) {
	settings, err := cfg.Files.Load()
	if err != nil {
		return nil, err
	}
	c := &Client{Name: cfg.Name, config: cfg, answers: answers, metrics: metrics.of(cfg.Name), http: outbound.New(cfg.options(settings))}
	for _, name := range cfg.ForwardHeaders {
		c.forward = append(c.forward, http.CanonicalHeaderKey(name))
	}
	return c, nil
}

// options ask the endpoint of the config and nobody else: no proxy, no redirect.
func (c Config) options(settings *tls.Config) outbound.Options {
	return outbound.Options{
		TLS: settings, Connect: c.Timeout, MaxHeader: maxHeader, Idle: maxConnections, MaxConnections: maxConnections,
	}
}

// Ask asks the endpoint, or remembers what it said to the same question. Questions that are the same
// and come while the first one is asked get its answer.
func (c *Client) Ask(ctx context.Context, q Question) Answer {
	if c.config.CacheTTL <= 0 {
		return c.send(ctx, c.header(q), q.Document)
	}
	k := c.key(q)
	if answer, ok := c.remembered(ctx, k); ok {
		c.metrics.cached.Inc()
		return answer
	}
	header := c.header(q)
	// The goroutine ends with the endpoint's time-out at the latest. It goes on when the first who asked goes
	// away: others may wait for the same answer.
	done := c.flights.DoChan(k, func() (any, error) {
		asked := time.Now()
		answer := c.send(context.WithoutCancel(ctx), header, q.Document)
		if answer.cacheable() {
			c.remember(context.WithoutCancel(ctx), k, answer, time.Until(asked.Add(c.config.CacheTTL)))
		}
		return answer, nil
	})
	select {
	case <-ctx.Done():
		return Answer{Result: Canceled, Err: ctx.Err()}
	case result := <-done:
		return result.Val.(Answer)
	}
}

// remembered finds an answer in the cache, which keeps the status alone. What is no cacheable status is a miss.
func (c *Client) remembered(ctx context.Context, key string) (Answer, bool) {
	value, ok := c.answers.Get(ctx, key)
	if !ok || len(value) != len("200") {
		return Answer{}, false
	}
	status, err := strconv.Atoi(string(value))
	answer := answerOf(status)
	answer.Cached = true
	return answer, err == nil && answer.cacheable()
}

func (c *Client) remember(ctx context.Context, key string, answer Answer, ttl time.Duration) {
	c.answers.Set(ctx, key, strconv.AppendInt(nil, int64(answer.Status), 10), ttl)
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

// Close gives up the connections that nobody uses. Questions that are being asked end by themselves.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
