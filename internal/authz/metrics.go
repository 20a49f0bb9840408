package authz

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/sreg-project/sreg/internal/access"
)

var (
	stages = []access.Stage{access.StageNone, access.StageToken, access.StageGlobal, access.StageRepository, access.StageWebhook}
	// ruleStages are those that have rules.
	ruleStages = []access.Stage{access.StageGlobal, access.StageRepository}
)

// Metrics are those of decisions. NewMetrics makes them once.
type Metrics struct {
	decisions map[verdict]prometheus.Counter
	failures  map[access.Stage]prometheus.Counter
}

type verdict struct {
	stage   access.Stage
	allowed bool
}

// NewMetrics registers the metrics and resolves all their labels.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	auto := promauto.With(registerer)
	decisions := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "sreg_authz_decisions_total", Help: "Decisions about requests, by the stage that decided and the result.",
	}, []string{"stage", "result"})
	failures := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "sreg_authz_rule_errors_total", Help: "Rules that failed while they were evaluated, by stage.",
	}, []string{"stage"})
	m := &Metrics{decisions: map[verdict]prometheus.Counter{}, failures: map[access.Stage]prometheus.Counter{}}
	for _, stage := range stages {
		for _, allowed := range []bool{true, false} {
			m.decisions[verdict{stage, allowed}] = decisions.WithLabelValues(string(stage), result(allowed))
		}
	}
	for _, stage := range ruleStages {
		m.failures[stage] = failures.WithLabelValues(string(stage))
	}
	return m
}

// result is what metrics and logs call a decision.
func result(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "denied"
}
