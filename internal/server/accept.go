package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// acceptor accepts the connections of a listener, refuses those that a client has too many, has the TLS
// handshake with the others, and gives them to an http.Server. Each handshake runs apart from the others
// and has its own time-out, so that one that stalls blocks nobody. A connection without TLS is handed on as
// it is: a wrapper would hide that it can send files.
type acceptor struct {
	net.Listener
	// take returns who serves a connection that is accepted now, and counts it there.
	take     func() *httpServer
	trusts   func(peer netip.Addr) bool // that it is a proxy
	clients  *clients
	metrics  *Metrics
	log      *slog.Logger
	refusals *refusals
	ctx      context.Context // ends when the listener closes
	end      func()

	mu     sync.Mutex // guards closed, so that no handshake begins while Close waits for the last one
	closed bool
	work   sync.WaitGroup // handshakes
}

// Close ends the handshakes that are under way, too.
func (a *acceptor) Close() error {
	a.end()
	err := a.Listener.Close()
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.work.Wait()
	return err
}

// run accepts until the listener closes.
func (a *acceptor) run() {
	for a.ctx.Err() == nil {
		conn, err := a.Listener.Accept()
		to := a.take()
		switch {
		case err != nil:
			// The http.Server knows which errors pass, and waits before it asks for the next connection.
			a.deliver(to, accepted{err: err})
			to.open.leave()
		case !a.connect(conn):
			a.metrics.connections.Inc()
			_ = conn.Close()
			to.open.leave()
		case to.tls == nil:
			if !a.deliver(to, accepted{conn: conn}) {
				a.drop(to, conn)
			}
		default:
			a.begin(to, conn)
		}
	}
}

// connect counts a connection, unless its client has too many.
func (a *acceptor) connect(conn net.Conn) bool {
	peer := peerOf(conn.RemoteAddr().String())
	return a.clients.connect(peer, a.trusts(peer))
}

// begin begins a handshake, unless the listener has closed.
func (a *acceptor) begin(to *httpServer, conn net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		a.drop(to, conn)
		return
	}
	a.work.Go(func() { a.handshake(to, conn) }) // ends with the handshake, its time-out or Close
}

func (a *acceptor) handshake(to *httpServer, conn net.Conn) {
	ctx, cancel := a.ctx, func() {}
	if timeout := to.config.timeouts.Handshake; timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	secure := tls.Server(conn, to.tls)
	err := secure.HandshakeContext(ctx)
	if err == nil && a.deliver(to, accepted{conn: secure}) {
		return
	}
	var noTLS tls.RecordHeaderError
	if errors.As(err, &noTLS) && noTLS.Conn != nil {
		answerPlainHTTP(noTLS)
	}
	a.drop(to, conn)
	required := to.tls.ClientAuth == tls.RequireAndVerifyClientCert
	a.refusals.log(a.log, conn.RemoteAddr(), required, err)
}

// deliver says whether the http.Server took the connection.
func (a *acceptor) deliver(to *httpServer, what accepted) bool {
	select {
	case to.ready <- what:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// drop closes a connection that no http.Server took.
func (a *acceptor) drop(to *httpServer, conn net.Conn) {
	_ = conn.Close()
	a.clients.disconnect(peerOf(conn.RemoteAddr().String()))
	to.open.leave()
}

// plainHTTP is the answer to plain HTTP where TLS is spoken. docker and podman come with that when HTTPS has been refused, if
// they take the registry for an insecure one, as docker does for 127.0.0.0/8, and then show this answer in place of the
// refusal. So it is one of a registry, which they show as it stands, and of the kind that the refusal most
// likely was. It has no challenge, for which a client would send its password in plain text.
const plainHTTP = `{"errors":[{"code":"UNAUTHORIZED","message":"this port speaks HTTPS alone: use https://. ` +
	`A client that did was refused there before: check the user name, the password and the certificates"}]}` + "\n"

// answerPlainHTTP tells a client that forgot the s in https. It does not wait for a client that
// neither reads nor leaves.
func answerPlainHTTP(e tls.RecordHeaderError) {
	if !beginsWithAny(string(e.RecordHeader[:]), "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO") {
		return
	}
	answer := fmt.Sprintf("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n", len(plainHTTP))
	if string(e.RecordHeader[:]) != "HEAD " {
		answer += plainHTTP
	}
	_ = e.Conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(e.Conn, answer); err != nil {
		return
	}
	half, ok := e.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	// A close with unread bytes would reset the connection before the client has read the answer.
	_, _ = io.CopyN(io.Discard, e.Conn, maxHeaderBytes)
}
