package gc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

// gathered are the values of all metrics by their names.
func gathered(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	must(t, err)
	values := map[string]float64{}
	for _, family := range families {
		values[strings.TrimPrefix(family.GetName(), "sreg_gc_last_run_")] = family.GetMetric()[0].GetGauge().GetValue()
	}
	return values
}

func TestTheMetricsAreThoseOfTheLastRun(t *testing.T) {
	t.Parallel()
	var log diary
	metrics := prometheus.NewRegistry()
	m := gc.NewMetrics(metrics, log.logger())
	wantNone := func(when string) {
		t.Helper()
		if got := gathered(t, metrics); len(got) > 0 {
			t.Errorf("%s: got %v, want no metrics", when, got)
		}
	}
	wantNone("before there is a collector")
	w := gctest.New(t, inFolder(t, options()))
	m.Show(w.Collector)
	wantNone("before there was a run")

	w.Play("blob stray app\n wait 2h\n collect\n wait 2h\n collect")
	got := gathered(t, metrics)
	if got["freed_bytes"] != 1024 || got["errors"] != 0 || got["duration_seconds"] != 0 || got["timestamp_seconds"] != float64(w.Now.Unix()) {
		t.Errorf("got %v, want 1024 bytes freed at %d", got, w.Now.Unix())
	}
	must(t, os.WriteFile(filepath.Join(w.Root(), "notes.txt"), nil, 0o600))
	w.Open()
	m.Show(w.Collector)
	if _, err := w.Collector.Run(t.Context(), gc.RunOptions{}); err == nil {
		t.Fatal("got success, want a refusal")
	}
	if got := gathered(t, metrics); got["freed_bytes"] != 0 || got["errors"] != 1 {
		t.Errorf("after a run that was refused: got %v, want one error", got)
	}

	other := gctest.New(t, options())
	m.Hide(other.Collector)
	if len(gathered(t, metrics)) == 0 {
		t.Error("another collector hid the metrics")
	}
	must(t, os.WriteFile(filepath.Join(w.Root(), "_gc/report"), []byte("garbage"), 0o600))
	wantNone("while the report cannot be read")
	if len(log.times(t, "report of the collector not read")) != 1 {
		t.Errorf("got the log %q, want one line about the report", log.text.String())
	}
	m.Hide(w.Collector)
	wantNone("without a collector")
}
