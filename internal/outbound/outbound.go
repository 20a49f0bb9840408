// Package outbound makes the HTTP clients by which sreg asks others: endpoints of the operator, identity
// providers, object stores.
// It promises that nobody who is asked can make sreg wait, read or connect beyond what its caller agreed to, and
// that what is meant for one host reaches no other.
// It must not know what is asked, nor what an answer means.
package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	// defaultConnect bounds a connection whose caller says nothing: a host that is not there does not answer.
	defaultConnect = 5 * time.Second
	// defaultHeader bounds the header of an answer, in bytes.
	defaultHeader = 64 << 10
	// defaultIdle is how many connections to one host are kept.
	defaultIdle = 4
	// idleFor is how long a connection is kept that nobody uses.
	idleFor = time.Minute
)

// Options say how others are asked. The zero value is for plain requests by the system's CAs.
type Options struct {
	// TLS has the CAs that servers are verified by, and the certificate that they are shown: see Files. nil is
	// the CAs of the system and no certificate.
	TLS *tls.Config
	// Proxies sends requests through the proxies that the environment names (HTTPS_PROXY, NO_PROXY).
	Proxies bool
	// HTTP1 keeps to HTTP/1.1, where many connections are better than many streams on one.
	HTTP1 bool
	// Dial connects, for callers that choose the addresses that may be reached. nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Connect bounds how long a connection takes, and its TLS handshake twice that long; 0 = 5 seconds.
	Connect time.Duration
	// Header bounds how long the header of an answer takes, once the request is sent; 0 = no bound.
	Header time.Duration
	// Stall bounds how long nothing may move, neither the body of the request nor the answer; nil = no bound.
	// A TimeoutError says so. Time in which nobody reads the answer does not count.
	Stall func() time.Duration
	// Total bounds a whole exchange, redirects and the body of the answer included; 0 = no bound.
	Total time.Duration

	// MaxHeader bounds the header of an answer, in bytes; 0 = 64 KiB.
	MaxHeader int64
	// MaxBody bounds the body of an answer, in bytes: reading more is ErrTooLarge; 0 = no bound.
	MaxBody int64

	// Redirect decides about each redirect, as http.Client.CheckRedirect does. nil follows none: the redirect is
	// the answer. SameHost is one.
	Redirect func(next *http.Request, via []*http.Request) error

	// Idle is how many connections to one host are kept for the next requests; 0 = 4.
	Idle int
	// MaxConnections bounds the connections to one host: more requests wait for one; 0 = no bound.
	MaxConnections int
}

// New makes a client. Its CloseIdleConnections gives up the connections that nobody uses.
func New(o Options) *http.Client {
	return &http.Client{Transport: NewTransport(o), Timeout: o.Total, CheckRedirect: o.checkRedirect}
}

// Transport does single requests. NewTransport makes one.
type Transport struct {
	http    *http.Transport
	stall   func() time.Duration
	maxBody int64
}

// NewTransport makes a Transport, for callers that are no http.Client. Redirect and Total are not for it.
func NewTransport(o Options) *Transport {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		settings = o.TLS.Clone() // HTTP/2 writes into it
		settings.MinVersion = max(settings.MinVersion, tls.VersionTLS12)
	}
	connect := cmp.Or(o.Connect, defaultConnect)
	t := &http.Transport{
		DialContext:            o.Dial,
		TLSClientConfig:        settings,
		TLSHandshakeTimeout:    2 * connect,
		ResponseHeaderTimeout:  o.Header,
		MaxResponseHeaderBytes: cmp.Or(o.MaxHeader, defaultHeader),
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    cmp.Or(o.Idle, defaultIdle),
		MaxConnsPerHost:        o.MaxConnections,
		IdleConnTimeout:        idleFor,
		ForceAttemptHTTP2:      !o.HTTP1,
		DisableCompression:     true, // a bound on what is read is one on what was sent
	}
	if o.Dial == nil {
		t.DialContext = (&net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Proxies {
		t.Proxy = http.ProxyFromEnvironment
	}
	if o.HTTP1 {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
	}
	return &Transport{http: t, stall: o.Stall, maxBody: o.MaxBody}
}

// RoundTrip does one request, within the bounds.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	send := t.http.RoundTrip
	if t.stall != nil {
		send = t.sendWatched
	}
	answer, err := send(r)
	if err == nil && t.maxBody > 0 {
		answer.Body = Limit(answer.Body, t.maxBody)
	}
	return answer, err
}

// CloseIdleConnections gives up the connections that nobody uses.
func (t *Transport) CloseIdleConnections() { t.http.CloseIdleConnections() }
