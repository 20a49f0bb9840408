package telemetry

import (
	"slices"
	"testing"
)

func TestMetricsTellWhatRuns(t *testing.T) {
	t.Parallel()
	families, err := NewMetrics(Build{Version: "v1.2.3", Commit: "abc", GoVersion: "go1"}).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
		if family.GetName() == "sreg_build_info" {
			labels := map[string]string{}
			for _, label := range family.GetMetric()[0].GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["version"] != "v1.2.3" || labels["commit"] != "abc" || labels["go_version"] != "go1" {
				t.Errorf("got labels %v, want version, commit and go_version", labels)
			}
		}
	}
	for _, want := range []string{"sreg_build_info", "go_goroutines"} {
		if !slices.Contains(names, want) {
			t.Errorf("got metrics %v, want %s among them", names, want)
		}
	}
}
