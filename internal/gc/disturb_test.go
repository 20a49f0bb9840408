package gc_test

import (
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

// TestATagThatIsPushedAgainMeanwhileStaysWithAllThatItNeeds: it is not any more what was judged, and neither is
// anything that was planned with it.
func TestATagThatIsPushedAgainMeanwhileStaysWithAllThatItNeeds(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Retention = verdicts{namespaces: []string{"app"}, keep: []string{"kept"}}
	w := gctest.New(t, opts)
	w.Play("image old app:old base old\n image kept app:kept base\n wait 2h")
	planned := sync.OnceFunc(func() { w.Play("again old app:old") })
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{Progress: func(p gc.Progress) {
		if p.Phase == "uploads" { // they are planned last
			planned()
		}
	}})
	if err != nil || report.Removed.Objects != 0 || report.Awaiting.Objects != 0 {
		t.Errorf("got %v and %+v, want that nothing of the namespace went", err, report)
	}
	w.Pull("app:old")
	w.Play("wait 2h")
	if report := w.Collect(); report.Removed.Objects != 1 || report.Awaiting.Objects != 5 {
		t.Errorf("got %+v, want that the next run judges it anew", report)
	}
}
