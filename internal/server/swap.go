package server

import (
	"net/http"
	"slices"
)

// Live is what can be replaced while a Server serves.
type Live struct {
	// Config counts but for the names, addresses, modes and TLS of the listeners, which stay as they were
	// built.
	Config Config
	// Handler returns who answers the requests of a listener.
	Handler func(l Listener) http.Handler
	// Proxies are those that are trusted; nil = none.
	Proxies Proxies
}

// generation is what requests are served by from one Swap to the next. It is never changed.
type generation struct {
	config   Config
	conns    *connConfig // of new connections
	limiter  *limiter
	proxies  Proxies    // nil = none are trusted
	path     string     // below which all is served; empty is the top
	handlers []handlers // by index of the listener
	requests *inFlight
}

// handlers are those of one listener: within the limits, and past them.
type handlers struct{ limited, unlimited http.Handler }

// Swap replaces all of live at once. Requests that are under way end on what they began with; ended is
// closed when the last of them has. A connection keeps its time-outs, its certificate and its version of
// HTTP, and is closed behind the answer to its next request if they are other ones now. After an error
// everything is as before.
func (s *Server) Swap(live Live) (ended <-chan struct{}, err error) {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	next, err := s.newGeneration(s.current.Load(), live)
	if err != nil {
		return nil, err
	}
	s.clients.limit(live.Config.Limits)

	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Swap(next)
	if next.conns != old.conns {
		for _, b := range s.bound {
			before := b.server
			b.server = s.newHTTPServer(b, next.conns)
			s.begin(b.server)
			before.open.retire()
		}
	}
	ended = old.requests.retire()
	s.requests = append(slices.DeleteFunc(s.requests, (*inFlight).over), old.requests)
	return ended, nil
}

// enter counts a request in the generation that serves it.
func (s *Server) enter() *generation {
	for {
		g := s.current.Load()
		g.requests.enter()
		if s.current.Load() == g {
			return g
		}
		g.requests.leave() // it may have been retired before the request was counted
	}
}

// newGeneration builds what comes after a generation, which is nil at first.
func (s *Server) newGeneration(after *generation, live Live) (*generation, error) {
	g := &generation{config: live.Config, proxies: live.Proxies, path: live.Config.ExternalPath(), requests: newInFlight()}
	conns, err := s.newConnConfig(live.Config)
	if err != nil {
		return nil, err
	}
	g.conns = conns
	if after == nil {
		g.limiter = newLimiter(live.Config.Limits, s.opts.Metrics, s.clients)
	} else {
		g.limiter = after.limiter.next(live.Config.Limits)
		if conns.same(after.conns) {
			g.conns = after.conns
		}
	}
	for _, l := range s.opts.Config.Listeners {
		g.handlers = append(g.handlers, g.handlersOf(l, live.Handler))
	}
	return g, nil
}

func (g *generation) handlersOf(l Listener, handler func(Listener) http.Handler) handlers {
	if i := slices.IndexFunc(g.config.Listeners, func(now Listener) bool { return now.Name == l.Name }); i >= 0 {
		l.Serves = g.config.Listeners[i].Serves
	}
	h := handler(l)
	if len(l.Serves) > 0 {
		return handlers{h, h} // for operators, who are not limited
	}
	return handlers{limited: g.limiter.handler(h, g.requests, g.proxies), unlimited: h}
}

// newConnConfig reads the certificates, if there is a listener that needs them.
func (s *Server) newConnConfig(config Config) (*connConfig, error) {
	c := &connConfig{http2: config.HTTP2, timeouts: config.Timeouts}
	if !s.opts.Config.hasTLSListener() {
		return c, nil
	}
	var err error
	if c.tls, err = LoadTLS(config.TLS, config.HTTP2); err != nil {
		return nil, err
	}
	if c.revoked, err = loadRevocations(config.TLS); err != nil {
		return nil, err
	}
	if len(c.revoked) > 0 {
		c.tls.VerifyConnection = c.revoked.verify
	}
	return c, nil
}
