// Package server listens, limits and drains: it is the way from a socket to an http.Handler.
// It promises that the handlers can be swapped under load, that one client keeps neither the others
// nor a shut-down waiting for long, and that nothing of it stands between a file and a TCP socket.
// It must not know what is served: routes, registries and identities are the handlers' affair.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxHeaderBytes = 64 << 10
	// abandonAfter is how long handlers may take to notice that their connection was cut.
	abandonAfter = time.Second
)

// Options are what a Server is made from.
type Options struct {
	Config     Config
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Unlimited are the paths that are answered however busy the server is: those by which others
	// learn how it does.
	Unlimited []string
	// OnDrain is called once when draining begins, while connections are still accepted.
	OnDrain func()
}

// Server is a set of listeners and the handlers that serve them.
type Server struct {
	opts     Options
	tls      *tls.Config // nil without a TLS listener
	limiter  *limiter
	metrics  *metrics
	clients  *perClient // connections by client
	running  inFlight
	bound    []*binding
	handlers atomic.Pointer[[]http.Handler] // by index of the listener in the config

	// inherited returns the sockets that systemd hands over, by name.
	inherited func() (map[string][]net.Listener, error)
}

// binding is a listener that is bound, and what serves it.
type binding struct {
	config   Listener
	listener net.Listener
	http     *http.Server
}

// Bound says where a listener of the config ended up.
type Bound struct {
	Listener
	Addr net.Addr
}

// New checks the options and reads the certificates. It binds nothing.
func New(opts Options) (*Server, error) {
	s := &Server{
		opts:      opts,
		metrics:   newMetrics(opts.Registerer),
		clients:   newPerClient(opts.Config.Limits.ConnectionsPerClient),
		inherited: activation.ListenersWithNames,
	}
	s.limiter = newLimiter(opts.Config.Limits, s.metrics)
	for _, l := range opts.Config.Listeners {
		if !l.TLS || s.tls != nil {
			continue
		}
		config, err := LoadTLS(opts.Config.TLS, opts.Config.HTTP2)
		if err != nil {
			return nil, err
		}
		s.tls = config
	}
	return s, nil
}

// Listen binds all listeners, or none.
func (s *Server) Listen(ctx context.Context) error {
	binder := binder{inherited: s.inherited}
	for i, config := range s.opts.Config.Listeners {
		l, err := binder.bind(ctx, config)
		if err != nil {
			s.unbind()
			return err
		}
		s.bound = append(s.bound, s.newBinding(i, config, l))
	}
	return nil
}

// Bound lists the listeners with the addresses that Listen found for them, in the order of the config.
func (s *Server) Bound() []Bound {
	var bound []Bound
	for _, b := range s.bound {
		bound = append(bound, Bound{Listener: b.config, Addr: b.listener.Addr()})
	}
	return bound
}

// Swap makes handler(l) serve the requests of listener l from now on. Requests that are under way end
// on the handlers they began with.
func (s *Server) Swap(handler func(l Listener) http.Handler) {
	handlers := make([]http.Handler, len(s.opts.Config.Listeners))
	for i, l := range s.opts.Config.Listeners {
		handlers[i] = handler(l)
	}
	s.handlers.Store(&handlers)
}

// Serve answers requests until ctx ends; then it drains and returns nil. When a listener breaks it
// drains, too, and returns the error. Nothing is listened on afterwards.
func (s *Server) Serve(ctx context.Context) error {
	// Requests outlive ctx: its end begins the draining, which lets them finish.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	ended := make(chan error, len(s.bound))
	for _, b := range s.bound {
		b.http.BaseContext = func(net.Listener) context.Context { return base }
		go func() { ended <- b.http.Serve(b.listener) }() // ends when drain closes the listener
	}

	waiting := len(s.bound)
	var broken error
	select {
	case <-ctx.Done():
	case broken = <-ended:
		waiting--
	}
	s.drain(base, cut)
	for range waiting {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && broken == nil {
			broken = err
		}
	}
	if broken != nil && !errors.Is(broken, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", broken)
	}
	return nil
}

// drain lets what runs finish, within the time that the config gives.
func (s *Server) drain(base context.Context, cut func()) {
	log, config := s.opts.Logger, s.opts.Config.Shutdown
	log.Info("draining", "delay", config.Delay.String(), "timeout", config.Timeout.String())
	if s.opts.OnDrain != nil {
		s.opts.OnDrain()
	}
	// Load balancers see readiness fail and send nobody any more before the door closes.
	if config.Delay > 0 {
		time.Sleep(config.Delay)
	}
	ctx, cancel := context.WithTimeout(base, config.Timeout)
	defer cancel()
	var work sync.WaitGroup
	for _, b := range s.bound {
		work.Go(func() { _ = b.http.Shutdown(ctx) }) // ends with its connections, or with ctx
	}
	work.Wait()
	if ctx.Err() == nil {
		return
	}
	log.Warn("cutting requests that did not finish in time", "requests", s.running.count())
	cut()
	s.unbind()
	s.running.wait(abandonAfter)
}

// unbind closes listeners and connections at once.
func (s *Server) unbind() {
	for _, b := range s.bound {
		_ = b.http.Close()
		_ = b.listener.Close() // the http.Server knows it only once it serves
	}
}

func (s *Server) newBinding(index int, config Listener, l net.Listener) *binding {
	log := s.opts.Logger.With("listener", config.Name)
	timeouts := s.opts.Config.Timeouts
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(config.TLS && s.opts.Config.HTTP2)
	server := &http.Server{
		Handler:           s.handler(index, config),
		ReadHeaderTimeout: timeouts.Header,
		IdleTimeout:       timeouts.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: timeouts.Stall},
		ErrorLog:          newErrorLog(log),
		ConnContext:       withDeadline,
	}
	if s.clients.limit > 0 {
		l = &clientListener{Listener: l, clients: s.clients, refused: s.metrics.connections}
		server.ConnState = s.clients.connState
	}
	if config.TLS {
		server.TLSConfig = s.tls.Clone() // http.Server completes it
		l = newHandshaker(l, handshakeOptions{
			config: s.tls, timeout: timeouts.Handshake, log: log, dropped: s.clients.leaveConn,
			refusals: &refusals{required: s.tls.ClientAuth == tls.RequireAndVerifyClientCert},
		})
	}
	return &binding{config: config, listener: l, http: server}
}

// handler is what all requests of a listener go through: the watch for clients that stall, limits,
// unless it serves operators, and then whatever handler is current.
func (s *Server) handler(index int, config Listener) http.Handler {
	current := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers := s.handlers.Load()
		if handlers == nil {
			s.limiter.refuse(w, unavailable, "the registry is starting: try again in a moment")
			return
		}
		(*handlers)[index].ServeHTTP(w, r)
	})
	limited := http.Handler(current)
	if len(config.Serves) == 0 {
		limited = s.limiter.handler(current)
	}
	unlimited := map[string]bool{}
	for _, path := range s.opts.Unlimited {
		unlimited[path] = true
	}
	stall := s.opts.Config.Timeouts.Stall
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.enter()
		defer s.running.leave()
		if stall > 0 {
			body := r.Body
			w = guard(w, r, stall)
			// net/http looks at its own body to see what was left unread, and would wait for the
			// rest of any other.
			defer func() { r.Body = body }()
		}
		if unlimited[r.URL.Path] {
			current.ServeHTTP(w, r)
			return
		}
		limited.ServeHTTP(w, r)
	})
}
