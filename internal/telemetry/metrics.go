package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Build says which program runs.
type Build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"` // linux/amd64
}

// NewMetrics returns a registry that has the metrics of the Go runtime, of the process, and
// sreg_build_info.
func NewMetrics(build Build) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sreg_build_info",
			Help: "1, with the version, commit and Go version of the program as labels.",
			ConstLabels: prometheus.Labels{
				"version":    build.Version,
				"commit":     build.Commit,
				"go_version": build.GoVersion,
			},
		}, func() float64 { return 1 }),
	)
	return registry
}
