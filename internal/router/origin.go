package router

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

var (
	// ErrForeignPage says that a web page of another site sent a request that may change something.
	ErrForeignPage = errors.New("a web page of another site may not send this request")
	// ErrForeignHost says that a client calls this registry by a name that is not its own.
	ErrForeignHost = errors.New("this registry is not known by that name")
)

// Origins keep web pages of others from using what a browser can reach. The zero value answers to every name.
type Origins struct {
	external string // the host of the external URL
	named    bool   // a request must name this computer
	pages    http.CrossOriginProtection
}

// NewOrigins makes the Origins of a registry that people reach at an external URL, which may be nil. With named
// only requests are answered that name this computer: by a loopback name, an address, or that URL's host. Otherwise a
// page whose name leads to a loopback address would be of the same origin as the registry.
func NewOrigins(external *url.URL, named bool) (*Origins, error) {
	o := &Origins{named: named}
	if external == nil {
		return o, nil
	}
	o.external = hostOf(external.Host)
	return o, o.pages.AddTrustedOrigin(external.Scheme + "://" + external.Host)
}

// check refuses a request that a page of another site made, as far as it is known.
func (o *Origins) check(r *http.Request) error {
	if o.named && !bySocket(r) && !o.names(r.Host) {
		return ErrForeignHost
	}
	if err := o.pages.Check(r); err != nil {
		return ErrForeignPage
	}
	return nil
}

// names tells whether a Host header names this computer. No page can send a request without one.
func (o *Origins) names(header string) bool {
	host := hostOf(header)
	if host == "" || host == o.external || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// bySocket tells whether a request came by a unix socket, which no page can reach.
func bySocket(r *http.Request) bool {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && address.Network() == "unix"
}

// hostOf is the host of a Host header, without its port and in small letters.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
