package server

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"net/http"
)

// connConfig is what connections are served by. None of it can be changed in a connection, nor in an
// http.Server.
type connConfig struct {
	tls      *tls.Config // nil without a TLS listener
	revoked  revocations // client certificates
	http2    bool
	timeouts Timeouts
}

// same says whether connections of c are as good as those of other.
func (c *connConfig) same(other *connConfig) bool {
	return c.http2 == other.http2 && c.timeouts == other.timeouts && sameTLS(c.tls, other.tls) && maps.Equal(c.revoked, other.revoked)
}

// admits says whether a handshake of today would accept the client certificate, or its absence, of a
// connection that was accepted before.
func (c *connConfig) admits(state *tls.ConnectionState) bool {
	if state == nil || c.tls == nil {
		return true
	}
	shown := state.PeerCertificates
	if len(shown) == 0 || c.tls.ClientAuth == tls.NoClientCert {
		return len(shown) == 0 && c.tls.ClientAuth != tls.RequireAndVerifyClientCert
	}
	verify := x509.VerifyOptions{
		Roots: c.tls.ClientCAs, Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, certificate := range shown[1:] {
		verify.Intermediates.AddCert(certificate)
	}
	chains, err := shown[0].Verify(verify)
	return err == nil && c.revoked.admit(chains)
}

// httpServer is an http.Server and its net.Listener, from which it gets the connections that an acceptor
// has accepted for it.
type httpServer struct {
	http   *http.Server
	config *connConfig // under which its connections were accepted
	tls    *tls.Config // nil if its listener speaks no TLS
	ready  chan accepted
	open   *inFlight       // connections
	closed <-chan struct{} // ends when the acceptor does
	addr   net.Addr
}

type accepted struct {
	conn net.Conn
	err  error
}

func (h *httpServer) Accept() (net.Conn, error) {
	select {
	case a := <-h.ready:
		return a.conn, a.err
	case <-h.open.ended:
		return nil, http.ErrServerClosed
	case <-h.closed:
		return nil, http.ErrServerClosed
	}
}

// Close has nothing to do: Accept returns when the acceptor is closed, or when the http.Server is replaced
// and its last connection has ended.
func (h *httpServer) Close() error { return nil }

// Addr is the address of the real listener.
func (h *httpServer) Addr() net.Addr { return h.addr }

// newHTTPServer makes who serves the connections that listener b accepts under a config.
func (s *Server) newHTTPServer(b *binding, config *connConfig) *httpServer {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(b.TLS && config.http2)
	h := &httpServer{
		config: config, ready: make(chan accepted), open: newInFlight(),
		closed: b.acceptor.ctx.Done(), addr: b.acceptor.Addr(),
	}
	if b.TLS {
		h.tls = config.tls
	}
	h.http = &http.Server{
		Handler:           s.handler(b.index, config),
		ReadHeaderTimeout: config.timeouts.Header,
		IdleTimeout:       config.timeouts.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: config.timeouts.Stall},
		ErrorLog:          newErrorLog(b.log),
		ConnContext:       s.clients.withState,
		ConnState: func(conn net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				s.clients.disconnect(peerOf(conn.RemoteAddr().String()))
				h.open.leave()
			}
		},
	}
	return h
}
