package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/secret"
)

// Options say how one endpoint is told.
type Options struct {
	// URL is where events are sent. Redirects are not followed, and no proxy of the environment is used, as with webhooks.
	URL    string
	Format Format
	// Source is the address of this registry.
	Source string
	// Timeout bounds one delivery as a whole; 0 = no bound.
	Timeout time.Duration
	// HMAC is the key of the signature, empty for none.
	HMAC secret.Value
	// BearerToken is sent as Authorization: Bearer, if there is one.
	BearerToken secret.Value
	// Files are for TLS.
	Files outbound.Files
}

// Endpoint is told of events. NewEndpoint makes one.
type Endpoint struct {
	options Options
	http    *http.Client
}

// NewEndpoint makes an endpoint. It reads the certificates and connects to nobody.
func NewEndpoint(o Options) (*Endpoint, error) {
	settings, err := o.Files.Load()
	if err != nil {
		return nil, err
	}
	return &Endpoint{options: o, http: outbound.New(outbound.Options{TLS: settings, Total: o.Timeout})}, nil
}

// Deliver sends one event once. Only a status of 2xx is a delivery, anything else is an error, after which the endpoint
// may have got the event all the same. The body of the answer is not read.
func (p *Endpoint) Deliver(ctx context.Context, e Event) error {
	m, err := p.options.Format.Encode(e, p.options.Source)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.options.URL, bytes.NewReader(m.Body))
	if err != nil {
		return fmt.Errorf("deliver event %s: %w", e.ID, withoutURL(err))
	}
	p.setHeader(r.Header, m)
	answer, err := p.http.Do(r)
	if err != nil {
		return fmt.Errorf("deliver event %s: %w", e.ID, withoutURL(err))
	}
	_ = answer.Body.Close() // nothing was read that could be lost
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("deliver event %s: the endpoint answered %d, want 2xx", e.ID, answer.StatusCode)
	}
	return nil
}

// Close gives up the connections that nobody uses.
func (p *Endpoint) Close() { p.http.CloseIdleConnections() }

func (p *Endpoint) setHeader(h http.Header, m Message) {
	h.Set("Content-Type", m.ContentType)
	h.Set("User-Agent", "sreg")
	if signature := Sign(p.options.HMAC, time.Now(), m.Body); signature != "" {
		h.Set(SignatureHeader, signature)
	}
	if token := p.options.BearerToken.Reveal(); token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
}

// withoutURL leaves the URL out of an error: its query may hold a key.
func withoutURL(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}
