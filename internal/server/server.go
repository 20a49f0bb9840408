// Package server listens, limits and drains: it is the way from a socket to an http.Handler.
// It promises that handlers, certificates, limits and time-outs can be replaced under load without a
// request lost, that one client keeps neither the others nor a shut-down waiting for long, and that nothing
// of it stands between a file and a TCP socket.
// It must not know what is served: routes, registries and identities are the handlers' affair.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

const (
	maxHeaderBytes = 64 << 10
	// abandonAfter is how long handlers may take to notice that their connection was cut.
	abandonAfter = time.Second
)

// Options are what a Server is made from.
type Options struct {
	Config  Config
	Logger  *slog.Logger
	Metrics *Metrics // nil = nobody looks at them
	// Unlimited are the paths that are answered however busy the server is: those by which others
	// learn how it does.
	Unlimited []string
	// OnDrain is called once when draining begins, while connections are still accepted.
	OnDrain func()
	// OnCut is called when requests are cut off that did not end within the time for that.
	OnCut func(requests int64)
}

// Server is a set of listeners and the handlers that serve them.
type Server struct {
	opts      Options
	unlimited map[string]bool
	clients   *clients
	current   atomic.Pointer[generation]
	bound     []*binding
	broken    chan error     // holds what broke first
	work      sync.WaitGroup // acceptors and http.Servers

	swapping sync.Mutex // held while a Swap runs

	mu       sync.Mutex      // guards what follows
	base     context.Context // of all requests, from Serve on
	draining bool
	serving  map[*httpServer]bool // that have connections, or may get some
	requests []*inFlight          // of each generation that has not ended, but for the current one

	// inherited returns the sockets that systemd hands over, by name.
	inherited func() (map[string][]net.Listener, error)
}

// binding is a listener that is bound, and who serves it.
type binding struct {
	Listener
	index    int // in the config
	log      *slog.Logger
	acceptor *acceptor
	server   *httpServer // of new connections; guarded by mu of the Server
}

// Bound says where a listener of the config ended up.
type Bound struct {
	Listener
	Addr net.Addr
}

// New checks the options and reads the certificates. It binds nothing.
func New(opts Options) (*Server, error) {
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	s := &Server{
		opts:      opts,
		unlimited: map[string]bool{},
		clients:   newClients(opts.Config.Limits),
		broken:    make(chan error, 1),
		serving:   map[*httpServer]bool{},
		inherited: activation.ListenersWithNames,
	}
	for _, path := range opts.Unlimited {
		s.unlimited[path] = true
	}
	first, err := s.newGeneration(nil, Live{Config: opts.Config, Handler: s.starting})
	if err != nil {
		return nil, err
	}
	s.current.Store(first)
	return s, nil
}

// starting answers requests before the first Swap.
func (s *Server) starting(Listener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.current.Load().limiter.refuse(w, unavailable, "the registry is starting: try again in a moment")
	})
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

func (s *Server) newBinding(index int, config Listener, l net.Listener) *binding {
	b := &binding{Listener: config, index: index, log: s.opts.Logger.With("listener", config.Name)}
	b.acceptor = &acceptor{
		Listener: l, take: func() *httpServer { return s.take(b) }, trusts: s.trusts, clients: s.clients,
		metrics: s.opts.Metrics, log: b.log, refusals: newRefusals(),
	}
	b.acceptor.ctx, b.acceptor.end = context.WithCancel(context.Background())
	b.server = s.newHTTPServer(b, s.current.Load().conns)
	return b
}

// take is who serves a connection that is accepted now; it counts the connection.
func (s *Server) take(b *binding) *httpServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.server.open.enter()
	return b.server
}

// trusts says that connections from a peer are a trusted proxy's.
func (s *Server) trusts(peer netip.Addr) bool {
	proxies := s.current.Load().proxies
	return proxies != nil && proxies.Trusts(peer)
}

// Bound lists the listeners with the addresses that Listen found for them, in the order of the config.
func (s *Server) Bound() []Bound {
	var bound []Bound
	for _, b := range s.bound {
		bound = append(bound, Bound{Listener: b.Listener, Addr: b.acceptor.Addr()})
	}
	return bound
}

// handler is what all requests of a listener go through: the watch for clients that stall, the limits,
// and then whatever handler is current.
func (s *Server) handler(index int, conns *connConfig) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := s.enter()
		defer g.requests.leave()
		if g.conns != conns {
			if !g.conns.admits(r.TLS) {
				panic(http.ErrAbortHandler) // closes the connection, as a handshake would
			}
			w.Header().Set("Connection", "close") // in HTTP/2, too: requests under way are answered
		}
		body := r.Body
		w = guard(w, r, &conns.timeouts)
		// net/http looks at its own body to see what was left unread, and would wait for the
		// rest of any other.
		defer func() { r.Body = body }()
		h := &g.handlers[index]
		if s.unlimited[strings.TrimPrefix(r.URL.Path, g.path)] {
			h.unlimited.ServeHTTP(w, r)
			return
		}
		h.limited.ServeHTTP(w, r)
	})
}

// Serve answers requests until ctx ends; then it drains and returns nil. When a listener breaks it
// drains, too, and returns the error. Nothing is listened on afterwards.
func (s *Server) Serve(ctx context.Context) error {
	// Requests outlive ctx: its end begins the draining, which lets them finish.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.mu.Lock()
	s.base = base
	for _, b := range s.bound {
		s.begin(b.server)
		s.work.Go(b.acceptor.run) // ends when drain closes it
	}
	s.mu.Unlock()

	var broken error
	select {
	case <-ctx.Done():
	case broken = <-s.broken:
	}
	s.drain(base, cut)
	s.work.Wait()
	if broken != nil {
		return fmt.Errorf("serve: %w", broken)
	}
	return nil
}

// begin lets an http.Server serve, if the Server does. mu is held.
func (s *Server) begin(h *httpServer) {
	if s.base == nil || s.draining {
		return
	}
	base := s.base
	h.http.BaseContext = func(net.Listener) context.Context { return base }
	s.serving[h] = true
	s.work.Go(func() { s.run(h) }) // ends when it was replaced and its last connection has ended, or when drain closes its acceptor
}

func (s *Server) run(h *httpServer) {
	if err := h.http.Serve(h); !errors.Is(err, http.ErrServerClosed) {
		select {
		case s.broken <- err:
		default:
		}
	}
	if h.open.over() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.serving, h)
	}
}

// drain lets what runs finish, within the time that the config gives.
func (s *Server) drain(base context.Context, cut func()) {
	log, config := s.opts.Logger, s.current.Load().config.Shutdown
	log.Info("draining", "delay", config.Delay.String(), "timeout", config.Timeout.String())
	if s.opts.OnDrain != nil {
		s.opts.OnDrain()
	}
	// Load balancers see that the server is not ready and send nobody any more before it stops listening.
	if config.Delay > 0 {
		time.Sleep(config.Delay)
	}
	ctx, cancel := context.WithTimeout(base, config.Timeout)
	defer cancel()
	var work sync.WaitGroup
	for _, b := range s.bound {
		work.Go(func() { _ = b.acceptor.Close() }) // ends with its handshakes, which end at once
	}
	work.Wait()
	for _, h := range s.stop() {
		work.Go(func() { _ = h.http.Shutdown(ctx) }) // ends with its connections, or with ctx
	}
	work.Wait()
	if ctx.Err() == nil {
		return
	}
	requests := s.underWay()
	cutOff := countOf(requests)
	log.Warn("cutting requests that did not finish in time", "requests", cutOff)
	if s.opts.OnCut != nil {
		s.opts.OnCut(cutOff)
	}
	s.unbind() // first, so that no handler takes the end of its context for a reason to answer
	cut()
	timer := time.NewTimer(abandonAfter)
	defer timer.Stop()
	for _, f := range requests {
		select {
		case <-f.retire():
		case <-timer.C:
			return
		}
	}
}

// underWay counts the requests of all generations.
func (s *Server) underWay() []*inFlight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Clone(s.requests), s.current.Load().requests)
}

// stop returns who serves connections. No other http.Server begins from then on.
func (s *Server) stop() []*httpServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	return slices.Collect(maps.Keys(s.serving))
}

// unbind closes listeners and connections at once.
func (s *Server) unbind() {
	for _, b := range s.bound {
		_ = b.acceptor.Close()
	}
	for _, h := range s.stop() {
		_ = h.http.Close()
	}
}
