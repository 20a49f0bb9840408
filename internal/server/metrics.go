package server

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what the limits refuse. Several servers may have them together.
type Metrics struct {
	queueFull, queueWait, client, clientRate prometheus.Counter // requests
	connections                              prometheus.Counter
}

// NewMetrics makes the metrics and registers them, unless registerer is nil. A registry takes them once.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sreg_http_requests_refused_total",
		Help: "Requests that a limit refused, by reason: queue_full, queue_wait, client or client_rate.",
	}, []string{"reason"})
	connections := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sreg_http_connections_refused_total",
		Help: "Connections that were closed at once because their client had too many.",
	})
	if registerer != nil {
		registerer.MustRegister(requests, connections)
	}
	return &Metrics{
		queueFull: requests.WithLabelValues("queue_full"), queueWait: requests.WithLabelValues("queue_wait"),
		client: requests.WithLabelValues("client"), clientRate: requests.WithLabelValues("client_rate"), connections: connections,
	}
}
