package server

import "github.com/prometheus/client_golang/prometheus"

// reason is why a request was refused before any handler saw it.
type reason int

const (
	reasonFull reason = iota
	reasonWait
	reasonClient
)

// Metrics count what the limits refuse. Several servers may have them together.
type Metrics struct {
	requests    [reasonClient + 1]prometheus.Counter // by reason
	connections prometheus.Counter
}

// NewMetrics makes the metrics and registers them, unless registerer is nil. A registry takes them once.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sreg_http_requests_refused_total",
		Help: "Requests that a limit refused, by reason: queue_full, queue_wait or client.",
	}, []string{"reason"})
	connections := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sreg_http_connections_refused_total",
		Help: "Connections that were closed at once because their client had too many.",
	})
	if registerer != nil {
		registerer.MustRegister(requests, connections)
	}
	m := &Metrics{connections: connections}
	m.requests[reasonFull] = requests.WithLabelValues("queue_full")
	m.requests[reasonWait] = requests.WithLabelValues("queue_wait")
	m.requests[reasonClient] = requests.WithLabelValues("client")
	return m
}

func (m *Metrics) refused(why reason) { m.requests[why].Inc() }
