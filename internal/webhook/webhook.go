// Package webhook asks an endpoint of the operator whether something may be done.
// It promises that only a status of 2xx allows, that no answer to one question is given to another one,
// and that an endpoint cannot make sreg wait, read or connect beyond what its config says.
// It must not know what it asks about: the question comes as bytes and headers.
package webhook

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sreg-project/sreg/internal/cache"
	"github.com/sreg-project/sreg/internal/outbound"
)

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
			c.answers.Set(context.WithoutCancel(ctx), k, strconv.AppendInt(nil, int64(answer.Status), 10), time.Until(asked.Add(c.config.CacheTTL)))
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

// Close gives up the connections that nobody uses. Questions that are being asked end by themselves.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
