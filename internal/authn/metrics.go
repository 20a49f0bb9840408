package authn

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Method is a way to show who one is.
type Method uint8

// The methods, in the order in which they are asked.
const (
	None Method = iota
	MTLS
	OIDC
	Basic
	Token
	methodCount
)

var methodNames = [methodCount]string{"none", "mtls", "oidc", "basic", "token"}

// String is the method's name in metrics and logs.
func (m Method) String() string { return methodNames[m] }

// result is how an attempt ended.
type result uint8

const (
	accepted result = iota
	rejected
	throttled
	busy
	unavailable
	failed
	resultCount
)

var resultNames = [resultCount]string{"accepted", "rejected", "throttled", "busy", "unavailable", "error"}

// metrics counts attempts, with one counter for each pair, found once.
type metrics struct {
	attempts [methodCount][resultCount]prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	attempts := promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "sreg_auth_attempts_total",
		Help: "Credentials that were looked at, by method (none: no method knows the form) and result.",
	}, []string{"method", "result"})
	m := &metrics{}
	for method := range m.attempts {
		for r := range m.attempts[method] {
			m.attempts[method][r] = attempts.WithLabelValues(methodNames[method], resultNames[r])
		}
	}
	return m
}

func (m *metrics) count(method Method, r result) { m.attempts[method][r].Inc() }
