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
}

// generation is what requests are served by from one Swap to the next. It is never changed.
type generation struct {
	config   Config
	conns    *connConfig // of new connections
	limiter  *limiter
	handlers []handlers // by index of the listener
	requests *inFlight
}

// handlers are those of one listener: within the limits, and past them.
type handlers struct{ limited, unlimited http.Handler }

// newGeneration builds what comes after a generation, which is nil at first.
func (s *Server) newGeneration(after *generation, live Live) (*generation, error) {
	g := &generation{config: live.Config, requests: newInFlight()}
	conns, err := s.newConnConfig(live.Config)
	if err != nil {
		return nil, err
	}
	g.conns = conns
	if after == nil {
		g.limiter = newLimiter(live.Config.Limits, s.opts.Metrics, newPerClient(live.Config.Limits.RequestsPerClient))
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
	return handlers{limited: g.limiter.handler(h), unlimited: h}
}

// newConnConfig reads the certificates, if there is a listener that needs them.
func (s *Server) newConnConfig(config Config) (*connConfig, error) {
	c := &connConfig{http2: config.HTTP2, timeouts: config.Timeouts}
	if !s.opts.Config.hasTLSListener() {
		return c, nil
	}
	var err error
	c.tls, err = LoadTLS(config.TLS, config.HTTP2)
	return c, err
}
