package gc_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

func TestProgressTellsEachPhaseAndItsLastCount(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	var mu sync.Mutex
	var phases []string
	last := map[string]gc.Progress{}
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{Progress: func(p gc.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
		if p.Objects >= last[p.Phase].Objects {
			last[p.Phase] = p
		}
	}})
	must(t, err)
	if want := []string{"mark", "uploads", "retention", "uploads", "revive", "destroy", "condemn"}; !slices.Equal(phases, want) {
		t.Errorf("got the phases %q, want %q", phases, want)
	}
	for phase, want := range map[string]gc.Tally{"destroy": report.Freed, "condemn": report.Awaiting, "revive": report.Revived} {
		if got := last[phase]; got.Objects != want.Objects || got.Bytes != want.Bytes {
			t.Errorf("%s: got %+v, want %+v", phase, got, want)
		}
		if last[phase].Total < last[phase].Objects || (last[phase].Total == 0) != (last[phase].Objects == 0) {
			t.Errorf("%s: got %+v, want a total that it comes to", phase, last[phase])
		}
	}
	if last["mark"].Objects == 0 {
		t.Error("the mark has counted nothing")
	}
}

// TestTheRateBoundsARun goes by the clock of its bubble, which stands still while the collector works.
func TestTheRateBoundsARun(t *testing.T) {
	t.Parallel()
	for rate, want := range map[int]time.Duration{0: 0, 10: 1900 * time.Millisecond} { // ten manifests and ten tags
		synctest.Test(t, func(t *testing.T) {
			opts := options()
			opts.GC.Rate = rate
			w := gctest.New(t, opts)
			for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
				w.Play("image " + name + " app:" + name + " base")
			}
			begun := time.Now()
			w.Collect()
			if took := time.Since(begun); took < want || took > 2*want {
				t.Errorf("with %d objects a second it took %s, want %s and at most twice that", rate, took, want)
			}
		})
	}
}
