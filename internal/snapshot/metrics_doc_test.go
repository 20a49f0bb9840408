package snapshot_test

import (
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
	"github.com/sreg-project/sreg/internal/telemetry"
	"github.com/sreg-project/sreg/internal/webhook"
)

// metricDoc is what docs/metrics.md says of a metric and what a server shows of it.
type metricDoc struct{ kind, labels, unit string }

// TestEveryMetricIsDocumented compares docs/metrics.md with all that a server registers.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	documented, registered := documentedMetrics(t), registeredMetrics(t)
	for name, got := range registered {
		want, ok := documented[name]
		switch {
		case !ok:
			t.Errorf("%s (%s, labels %s) is not in docs/metrics.md", name, got.kind, got.labels)
		case want.kind != got.kind || want.labels != got.labels:
			t.Errorf("%s is a %s with labels %s, docs/metrics.md says %s with %s", name, got.kind, got.labels, want.kind, want.labels)
		case unitOf(name) != "" && unitOf(name) != want.unit:
			t.Errorf("%s is in %s by its name, docs/metrics.md says %s", name, unitOf(name), want.unit)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if _, ok := registered[name]; !ok {
			t.Errorf("%s is in docs/metrics.md and no server has it", name)
		}
	}
}

var metricRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram|summary) \\| ([^|]+) \\| ([a-z]+) \\| [^|]+ \\|$")

func documentedMetrics(t *testing.T) map[string]metricDoc {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]metricDoc{}
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		labels := strings.FieldsFunc(row[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		documented[row[1]] = metricDoc{kind: row[2], labels: strings.Join(labels, " "), unit: row[4]}
	}
	return documented
}

// registeredMetrics are those of a server that has answered a request and collected once. What is described and never
// shown would have no type here, so that is an error, too.
func registeredMetrics(t *testing.T) map[string]metricDoc {
	t.Helper()
	metrics := metricsOfAServer(t)
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]metricDoc{}
	for _, family := range families {
		var labels []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		if len(labels) == 0 {
			labels = []string{"none"}
		}
		slices.Sort(labels)
		registered[family.GetName()] = metricDoc{kind: strings.ToLower(family.GetType().String()), labels: strings.Join(labels, " ")}
	}
	described := make(chan *prometheus.Desc)
	go func() { // ends when all are described
		metrics.Describe(described)
		close(described)
	}()
	for desc := range described {
		name := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(desc.String())[1]
		if _, ok := registered[name]; !ok {
			t.Errorf("%s is registered, and a request to /v2/ does not make it appear: this test has to do more", name)
		}
	}
	return registered
}

func metricsOfAServer(t *testing.T) *prometheus.Registry {
	t.Helper()
	cfg, _, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Storage.Blobs.FS.Root = t.TempDir()
	guard := webhook.DefaultConfig()
	guard.Name, guard.URL = "guard", "http://127.0.0.1/"
	cfg.Webhooks = append(cfg.Webhooks, guard)
	metrics := telemetry.NewMetrics(telemetry.Build{Version: "test"})
	telemetry.NewAudit(slog.New(slog.DiscardHandler), metrics)
	telemetry.NewReloads(metrics, cfg.Hash())
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	live, err := snapshot.Open(t.Context(), cfg, snapshot.NewShared(snapshot.SharedOptions{Logger: logger, Metrics: metrics}), nil)
	must(t, err)
	t.Cleanup(func() { must(t, live.Close()) })
	srv, err := server.New(server.Options{Config: cfg.Server, Logger: logger, Metrics: server.NewMetrics(metrics)})
	must(t, err)
	must(t, live.Serve(srv))
	built := live.Snapshot()
	if _, err := built.Collector.Run(t.Context(), gc.RunOptions{}); err != nil {
		t.Fatal(err) // its figures are those of a run
	}
	built.Handlers["main"].ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/", nil))
	return metrics
}

// unitOf is the unit that the naming rules of Prometheus put into a name, if they do.
func unitOf(name string) string {
	name = strings.TrimSuffix(name, "_total")
	for _, unit := range []string{"seconds", "bytes", "percent"} {
		if strings.HasSuffix(name, "_"+unit) {
			return unit
		}
	}
	return ""
}
