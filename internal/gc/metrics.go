package gc

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapePatience bounds how long a scrape waits for the store.
const scrapePatience = 5 * time.Second

// figures shows the stored report of the last run, whoever made it: so a run from cron is seen, too.
type figures struct {
	collector                        *Collector
	log                              *slog.Logger
	ended, duration, freed, failures *prometheus.Desc
}

// Register makes the figures of the last run metrics. They are absent until there was one.
func (c *Collector) Register(registerer prometheus.Registerer, log *slog.Logger) error {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("sreg_gc_last_run_"+name, help, nil, nil)
	}
	err := registerer.Register(&figures{
		collector: c, log: log,
		ended:    desc("timestamp_seconds", "When the last run of the collector ended, in seconds since the epoch."),
		duration: desc("duration_seconds", "How long the last run of the collector took."),
		freed:    desc("freed_bytes", "What the last run of the collector destroyed, in bytes."),
		failures: desc("errors", "What the last run of the collector could not do; 1 if it was refused or failed as a whole."),
	})
	if err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

// Describe is for prometheus.Collector.
func (f *figures) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{f.ended, f.duration, f.freed, f.failures} {
		descs <- desc
	}
}

// Collect is for prometheus.Collector. A store that does not answer costs these figures, not the scrape.
func (f *figures) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	report, err := f.collector.LastReport(ctx)
	if err != nil {
		f.log.WarnContext(ctx, "report of the collector not read", "error", err)
	}
	if report == nil {
		return
	}
	ended := report.Started.Add(time.Duration(report.Seconds * float64(time.Second)))
	for _, figure := range []struct {
		desc  *prometheus.Desc
		value float64
	}{
		{f.ended, float64(ended.UnixNano()) / 1e9},
		{f.duration, report.Seconds},
		{f.freed, float64(report.Freed.Bytes)},
		{f.failures, float64(report.ErrorCount)},
	} {
		metrics <- prometheus.MustNewConstMetric(figure.desc, prometheus.GaugeValue, figure.value)
	}
}
