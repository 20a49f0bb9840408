package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Reloads are the metrics of how configs are taken while a server serves.
type Reloads struct {
	successful, at, waiting prometheus.Gauge
	info                    *prometheus.GaugeVec

	mu   sync.Mutex // guards hash
	hash string
}

// NewReloads registers them, for a server that starts on a config of that hash.
func NewReloads(registerer prometheus.Registerer, hash string) *Reloads {
	factory := promauto.With(registerer)
	r := &Reloads{
		successful: factory.NewGauge(prometheus.GaugeOpts{
			Name: "sreg_config_last_reload_successful", Help: "1 if the last reload of the config, or the start, succeeded; else 0.",
		}),
		at: factory.NewGauge(prometheus.GaugeOpts{
			Name: "sreg_config_last_reload_success_timestamp_seconds", Help: "When a config was last taken, in Unix time.",
		}),
		waiting: factory.NewGauge(prometheus.GaugeOpts{
			Name: "sreg_config_restart_needed", Help: "How many keys have another value in the files, which needs a restart.",
		}),
		info: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sreg_config_info", Help: "1, with a hash of the config that is served as label.",
		}, []string{"hash"}),
	}
	r.Taken(hash, 0)
	return r
}

// Taken says that a config is served, whose keys need a restart so many times.
func (r *Reloads) Taken(hash string, waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.info.DeleteLabelValues(r.hash)
	r.hash = hash
	r.info.WithLabelValues(hash).Set(1)
	r.waiting.Set(float64(waiting))
	r.successful.Set(1)
	r.at.Set(float64(time.Now().UnixMilli()) / 1000)
}

// Refused says that a config is not served.
func (r *Reloads) Refused() { r.successful.Set(0) }
