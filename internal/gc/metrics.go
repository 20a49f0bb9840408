package gc

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds how long a scrape waits for the store.
const scrapeTimeout = 5 * time.Second

// Metrics are the figures of the last run, read from the stored report: so a run from cron counts, too. NewMetrics
// makes them once.
type Metrics struct {
	log                              *slog.Logger
	collector                        atomic.Pointer[Collector]
	ended, duration, freed, failures *prometheus.Desc
}

// NewMetrics registers the metrics. They are absent until Show names a collector, and until there was a run.
func NewMetrics(registerer prometheus.Registerer, log *slog.Logger) *Metrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("sreg_gc_last_run_"+name, help, nil, nil)
	}
	m := &Metrics{
		log:      log,
		ended:    desc("timestamp_seconds", "When the last run of the collector ended, in seconds since the epoch."),
		duration: desc("duration_seconds", "How long the last run of the collector took."),
		freed:    desc("freed_bytes", "What the last run of the collector destroyed, in bytes."),
		failures: desc("errors", "What the last run of the collector could not do; 1 if it was refused or failed as a whole."),
	}
	registerer.MustRegister(m)
	return m
}

// Show makes the metrics those of this collector's stores.
func (m *Metrics) Show(c *Collector) { m.collector.Store(c) }

// Hide ends Show, unless another collector has been shown since.
func (m *Metrics) Hide(c *Collector) { m.collector.CompareAndSwap(c, nil) }

// Describe is for prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.ended, m.duration, m.freed, m.failures} {
		descs <- desc
	}
}

// Collect is for prometheus.Collector. A store that does not answer costs these figures, not the scrape.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	collector := m.collector.Load()
	if collector == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	report, err := collector.LastReport(ctx)
	if err != nil {
		m.log.WarnContext(ctx, "report of the collector not read", "error", err)
	}
	if report == nil {
		return
	}
	ended := report.Started.Add(time.Duration(report.Seconds * float64(time.Second)))
	for _, figure := range []struct {
		desc  *prometheus.Desc
		value float64
	}{
		{m.ended, float64(ended.UnixNano()) / 1e9},
		{m.duration, report.Seconds},
		{m.freed, float64(report.Freed.Bytes)},
		{m.failures, float64(report.ErrorCount)},
	} {
		metrics <- prometheus.MustNewConstMetric(figure.desc, prometheus.GaugeValue, figure.value)
	}
}
