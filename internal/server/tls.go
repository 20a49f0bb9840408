package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// LoadTLS reads the certificates of a TLS section. The client's server name chooses between them;
// the first serves those that name none.
func LoadTLS(cfg TLS, http2 bool) (*tls.Config, error) {
	var pairs []Certificate
	if cfg.CertFile != "" {
		pairs = append(pairs, Certificate{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile})
	}
	pairs = append(pairs, cfg.Certificates...)
	if len(pairs) == 0 {
		return nil, hinted{
			errors.New("a listener has tls: true, but there is no certificate"),
			"set server.tls.cert_file and server.tls.key_file",
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if cfg.MinVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	if http2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	for _, pair := range pairs {
		certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate %s with key %s: %w", pair.CertFile, pair.KeyFile, err)
		}
		config.Certificates = append(config.Certificates, certificate)
	}
	if err := loadClientCAs(config, cfg); err != nil {
		return nil, err
	}
	return config, nil
}

// handshaker is a listener whose connections have their TLS handshake behind them. Each handshake
// runs apart from the others and has its own time-out, so that one that stalls blocks nobody.
type handshaker struct {
	net.Listener
	opts   handshakeOptions
	ctx    context.Context // ends when the listener closes
	cancel func()
	ready  chan accepted
	work   sync.WaitGroup
}

type handshakeOptions struct {
	config  *tls.Config
	timeout time.Duration // 0 = for ever
	log     *slog.Logger
	dropped func(net.Conn) // called for each connection that Accept will not return
	// refusals writes down the handshakes that did not succeed.
	refusals *refusals
}

type accepted struct {
	conn net.Conn
	err  error
}

func newHandshaker(l net.Listener, opts handshakeOptions) *handshaker {
	ctx, cancel := context.WithCancel(context.Background())
	h := &handshaker{Listener: l, opts: opts, ctx: ctx, cancel: cancel, ready: make(chan accepted)}
	h.work.Go(h.run) // ends when the listener closes
	return h
}

// Accept returns the next connection that has finished its handshake.
func (h *handshaker) Accept() (net.Conn, error) {
	select {
	case a := <-h.ready:
		return a.conn, a.err
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends the handshakes that are under way, too.
func (h *handshaker) Close() error {
	h.cancel()
	err := h.Listener.Close()
	h.work.Wait()
	return err
}

func (h *handshaker) run() {
	for h.ctx.Err() == nil {
		conn, err := h.Listener.Accept()
		if err != nil {
			// Accept's caller knows which errors pass and waits before it asks again.
			h.deliver(accepted{err: err})
			continue
		}
		h.work.Go(func() { h.handshake(conn) }) // ends with the handshake, its time-out or Close
	}
}

func (h *handshaker) handshake(conn net.Conn) {
	ctx, cancel := h.ctx, func() {}
	if h.opts.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, h.opts.timeout)
	}
	defer cancel()
	secure := tls.Server(conn, h.opts.config)
	err := secure.HandshakeContext(ctx)
	if err == nil && h.deliver(accepted{conn: secure}) {
		return
	}
	var noTLS tls.RecordHeaderError
	if errors.As(err, &noTLS) && noTLS.Conn != nil {
		answerPlainHTTP(noTLS)
	}
	_ = conn.Close()
	h.opts.dropped(conn)
	h.opts.refusals.log(h.opts.log, conn.RemoteAddr().String(), err)
}

// deliver tells whether Accept took the connection.
func (h *handshaker) deliver(a accepted) bool {
	select {
	case h.ready <- a:
		return true
	case <-h.ctx.Done():
		return false
	}
}

// answerPlainHTTP tells a client that forgot the s in https. It does not wait for a client that
// neither reads nor leaves.
func answerPlainHTTP(e tls.RecordHeaderError) {
	if !beginsWithAny(string(e.RecordHeader[:]), "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO") {
		return
	}
	const answer = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
		"This port speaks HTTPS: use https:// instead of http://.\n"
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
