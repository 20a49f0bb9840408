package router

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sreg-project/sreg/internal/access"
)

// Metrics are those of requests. NewMetrics makes them once, for all APIs of a process. The handles of what
// was seen once are kept, so that a request resolves no labels.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	received prometheus.Counter
	sent     prometheus.Counter
	handles  sync.Map // of answerKey to handles
}

// answerKey has few values: actions, methods and statuses are all from fixed sets.
type answerKey struct {
	action access.Action
	method string
	status int
}

type handles struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	auto := promauto.With(registerer)
	m := &Metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sreg_http_requests_total", Help: "Requests answered, by action, method and status.",
		}, []string{"action", "method", "status"}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sreg_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer, in seconds.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"action"}),
		inFlight: auto.NewGauge(prometheus.GaugeOpts{
			Name: "sreg_http_requests_in_flight", Help: "Requests that are being answered now.",
		}),
	}
	bytes := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "sreg_http_bytes_total", Help: "Bytes of request and answer bodies, by direction.",
	}, []string{"direction"})
	m.received, m.sent = bytes.WithLabelValues("received"), bytes.WithLabelValues("sent")
	return m
}

// observe counts one answer. Anybody can invent methods and paths, so what has no action is one
// action, "none", and a method without a route is "other".
func (m *Metrics) observe(action access.Action, method string, status int, took time.Duration, received, sent int64) {
	key := answerKey{action: action, method: knownMethod(method), status: status}
	if action == "" {
		key.action = "none"
	}
	found, ok := m.handles.Load(key)
	if !ok {
		found, _ = m.handles.LoadOrStore(key, handles{
			requests: m.requests.WithLabelValues(string(key.action), key.method, strconv.Itoa(status)),
			duration: m.duration.WithLabelValues(string(key.action)),
		})
	}
	h := found.(handles)
	h.requests.Inc()
	h.duration.Observe(took.Seconds())
	if received > 0 {
		m.received.Add(float64(received))
	}
	if sent > 0 {
		m.sent.Add(float64(sent))
	}
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "other"
}
