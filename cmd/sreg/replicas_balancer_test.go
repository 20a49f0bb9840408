package main_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"
)

// balancer sends each request to the next replica. One that does not listen is passed over, as any balancer
// does; a request that was cut off is answered 502, and it is the client's turn to try again.
type balancer struct {
	*httptest.Server
	transport *http.Transport

	mu      sync.Mutex
	members []string // host:port; guarded by mu
	next    int      // guarded by mu
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{transport: &http.Transport{DisableCompression: true}}
	proxy := &httputil.ReverseProxy{
		Transport: b,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.Host = "http", r.In.Host // locations and realms name the balancer
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
		FlushInterval: -1,
	}
	b.Server = httptest.NewServer(proxy)
	t.Cleanup(func() {
		b.Server.Close()
		b.transport.CloseIdleConnections()
	})
	return b
}

func (b *balancer) address() string { return b.Listener.Addr().String() }

// use replaces those whom requests are sent to.
func (b *balancer) use(members ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members = members
}

func (b *balancer) pick() (member string, of int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	return b.members[b.next%len(b.members)], len(b.members)
}

// RoundTrip tries one replica after the other, as long as none has heard of the request.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	for tried := 1; ; tried++ {
		member, all := b.pick()
		attempt := r.Clone(r.Context())
		attempt.URL.Host = member
		if r.Body != nil {
			attempt.Body = io.NopCloser(r.Body) // the next attempt wants it, too
		}
		response, err := b.transport.RoundTrip(attempt)
		if tried < all && undialed(err) {
			continue
		}
		return response, err
	}
}

func undialed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
