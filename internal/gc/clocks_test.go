package gc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

// clocks are those of the collector and of the store, as far as they are ahead of the registry's.
type clocks struct{ collector, store time.Duration }

func (c clocks) of(w *gctest.World) *gctest.World {
	w.CollectorAhead, w.StoreAhead = c.collector, c.store
	return w
}

// wrongClocks are wrong by what daylight saving, a zone or a bad battery make of them, and by more.
func wrongClocks() map[string]clocks {
	return map[string]clocks{
		"all right":                             {},
		"a store an hour ahead":                 {store: time.Hour},
		"a store an hour behind":                {store: -time.Hour},
		"a collector an hour ahead":             {collector: time.Hour},
		"a collector an hour behind":            {collector: -time.Hour},
		"both an hour off, in the same way":     {collector: time.Hour, store: time.Hour},
		"both an hour off, in different ways":   {collector: time.Hour, store: -time.Hour},
		"both an hour off, the other way round": {collector: -time.Hour, store: time.Hour},
		"a collector in 2100":                   {collector: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Sub(gctest.Epoch)},
		"a store in 2100":                       {store: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Sub(gctest.Epoch)},
		"a store in 1970":                       {store: -gctest.Epoch.Sub(time.Unix(0, 0))},
	}
}

func TestNoClockLosesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for name, wrong := range wrongClocks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wrong.of(gctest.New(t, options()))
			w.Play(`
				image v1 app:v1 base one
				image sig app subject=v1 signature
				image arm app arm
				index all app:all arm
				image shared other:x base`)
			for range 4 { // what one run condemns the next one may destroy
				w.Play("blob part app")
				w.Collect()
				w.Play("image new app:new base part\n wait 1m")
				w.Collect()
				for _, ref := range []string{"app:v1", "app@sig", "app:all", "other:x", "app:new"} {
					w.Pull(ref)
				}
				w.Play("delete app@new\n wait 50m")
			}
		})
	}
}

// TestAClockThatIsAnHourOffTakesAnHour: gc.grace and gc.trash are wrong by what the clocks are apart, and by no
// more.
func TestAClockThatIsAnHourOffTakesAnHour(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.GC.Grace, opts.GC.Trash = 3*time.Hour, 5*time.Hour
	for name, wrong := range wrongClocks() {
		apart := max((wrong.collector - wrong.store).Abs(), wrong.collector.Abs())
		if apart > 2*time.Hour {
			continue // it may destroy at once what nothing needs, or never
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wrong.of(gctest.New(t, opts))
			w.Play("image keep app:keep base\n blob stray app")
			pushed := w.Now
			var condemned time.Time
			for range 24 {
				w.Play("wait 30m")
				report := w.Collect()
				age := w.Now.Sub(pushed)
				if report.Awaiting.Objects > 0 {
					condemned = w.Now
					wantAbout(t, "condemned", age, opts.GC.Grace, apart)
				}
				if report.Freed.Objects > 0 {
					wantAbout(t, "destroyed", w.Now.Sub(condemned), opts.GC.Trash, apart)
					return
				}
			}
			t.Errorf("condemned at %s and never destroyed", condemned)
		})
	}
}

func wantAbout(t *testing.T, what string, got, want, apart time.Duration) {
	t.Helper()
	const between = 30 * time.Minute // two runs
	if got < want-apart || got > want+apart+between {
		t.Errorf("%s after %s, want %s and at most %s more or less", what, got, want, apart)
	}
}

func TestARunOfAWrongClockIsRepairedByTheNext(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	w.CollectorAhead = 80 * 365 * 24 * time.Hour
	w.Collect()
	w.CollectorAhead = 0
	if report := w.Collect(); report.Outcome != gc.Done {
		t.Errorf("got %+v, want that the report of another clock stops nothing", report)
	}
	w.Pull("app:v1")
	if got := explained(t, w, "app:v1"); !strings.Contains(got, "there are no rules") {
		t.Errorf("got %q", got)
	}
}
