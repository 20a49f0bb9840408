package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are those of all webhooks. NewMetrics makes them once.
type Metrics struct {
	duration *prometheus.HistogramVec
	answers  *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	auto := promauto.With(registerer)
	return &Metrics{
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sreg_webhook_duration_seconds", Help: "Time that a webhook took to answer or to fail, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"webhook"}),
		answers: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "sreg_webhook_answers_total", Help: "Questions to a webhook, by how they ended; cached ones were not sent.",
		}, []string{"webhook", "result"}),
	}
}

// handles are the metrics of one webhook, resolved once.
type handles struct {
	duration prometheus.Observer
	results  [resultCount]prometheus.Counter
	cached   prometheus.Counter
}

func (m *Metrics) of(webhook string) handles {
	h := handles{duration: m.duration.WithLabelValues(webhook), cached: m.answers.WithLabelValues(webhook, "cached")}
	for result, name := range resultNames {
		h.results[result] = m.answers.WithLabelValues(webhook, name)
	}
	return h
}

func (h handles) observe(result Result, took time.Duration) {
	h.duration.Observe(took.Seconds())
	h.results[result].Inc()
}
