package gc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// scheduledWorld is a collector that goes by the clock of its bubble.
func scheduledWorld(t *testing.T, store storage.Store, cfg gc.Config) *gc.Collector {
	t.Helper()
	core, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: lockmemory.New(), Config: registry.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	if err := core.Maintenance().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	collector, err := gc.New(gc.Options{Registry: core.Maintenance(), Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	return collector
}

// diary is a log that is asked when something was said.
type diary struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(d, nil)) }

// times are those of all lines with a message, in UTC.
func (d *diary) times(t *testing.T, message string) []time.Time {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var times []time.Time
	for line := range strings.Lines(d.text.String()) {
		var entry struct {
			Time time.Time
			Msg  string
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg == message {
			times = append(times, entry.Time.UTC())
		}
	}
	return times
}

func schedule(text string, jitter time.Duration) gc.Config {
	cfg := gc.DefaultConfig()
	cfg.Schedule, cfg.Jitter = text, jitter
	return cfg
}

// follow runs schedulers for a while, and returns when their context has ended them all.
func follow(t *testing.T, during time.Duration, log *diary, collectors ...*gc.Collector) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var running sync.WaitGroup
	for _, collector := range collectors {
		current := func() (*gc.Collector, func()) { return collector, func() {} }
		running.Go(func() { gc.Scheduler{Current: current, Holder: "scheduler", Logger: log.logger()}.Run(ctx) }) // ends with ctx
	}
	running.Wait()
}

// The clock of a bubble begins at midnight UTC, 2000-01-01, a Saturday.
func TestTheFieldsOfASchedule(t *testing.T) {
	for words, want := range map[string][]string{
		"30 3 * * *":   {"01 03:30", "02 03:30", "03 03:30"},
		"0 4 * * 0":    {"02 04:00"},
		"0 */12 2 * *": {"02 00:00", "02 12:00"},
		"@daily":       {"02 00:00", "03 00:00"},
		"@every 25h":   {"02 01:00", "03 02:00"},
		"0 0 30 2 *":   nil,
		"":             nil,
	} {
		t.Run(words, func(t *testing.T) {
			store := memory.New(memory.Options{})
			synctest.Test(t, func(t *testing.T) {
				inUTC(t)
				var log diary
				follow(t, 71*time.Hour, &log, scheduledWorld(t, store, schedule(words, 0)))
				var got []string
				for _, at := range log.times(t, "collected") {
					got = append(got, at.Format("02 15:04"))
				}
				if !slices.Equal(got, want) {
					t.Errorf("got runs at %q, want %q\n%s", got, want, log.text.String())
				}
			})
		})
	}
}

// inUTC makes UTC the zone of schedules for a test that runs alone: a schedule goes by the zone of the computer.
func inUTC(t *testing.T) {
	t.Helper()
	before := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = before })
}

func TestJitterIsBounded(t *testing.T) {
	store := memory.New(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		var log diary
		const jitter = 20 * time.Minute
		follow(t, 200*time.Hour, &log, scheduledWorld(t, store, schedule("@every 1h", jitter)))
		runs := log.times(t, "collected")
		if len(runs) < 150 {
			t.Fatalf("got %d runs in 200 hours, want one in less than 80 minutes", len(runs))
		}
		last, late := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), map[time.Duration]bool{}
		for _, at := range runs {
			apart := at.Sub(last)
			if apart < time.Hour-time.Second || apart >= time.Hour+jitter+time.Second {
				t.Errorf("got %s between two runs, want an hour and less than %s more", apart, jitter)
			}
			late[apart.Truncate(time.Minute)] = true
			last = at
		}
		if len(late) < 10 {
			t.Errorf("got only %d different delays, want them spread", len(late))
		}
	})
}

func TestAScheduleEndsWithItsContext(t *testing.T) {
	store := memory.New(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		var log diary
		follow(t, time.Minute, &log, scheduledWorld(t, store, schedule("@daily", time.Hour)))
		if log.text.Len() > 0 {
			t.Errorf("got %s, want no word about a run that did not begin", log.text.String())
		}
	})
}

func TestARunThatIsHeldElsewhereIsLeftToItsHolder(t *testing.T) {
	store := memory.New(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		var log diary
		other := scheduledWorld(t, store, gc.DefaultConfig())
		collector := scheduledWorld(t, store, schedule("@every 1h", 0))
		var during error
		_, err := other.Run(t.Context(), gc.RunOptions{Holder: "somebody else", Progress: func(p gc.Progress) {
			if p.Phase == "condemn" {
				follow(t, 90*time.Minute, &log, collector)
				_, during = collector.Run(t.Context(), gc.RunOptions{})
			}
		}})
		if err != nil || len(log.times(t, "collector runs elsewhere")) != 1 || !strings.Contains(log.text.String(), "somebody else") {
			t.Errorf("got %v and %s, want one run that found the store taken, and by whom", err, log.text.String())
		}
		if during == nil || !strings.Contains(during.Error(), "somebody else") {
			t.Errorf("got %v, want an error with the holder", during)
		}
		if len(log.times(t, "collected")) > 0 {
			t.Errorf("got %s, want no run beside another", log.text.String())
		}
		follow(t, 90*time.Minute, &log, collector)
		if len(log.times(t, "collected")) != 1 {
			t.Errorf("got %s, want a run when the store was free again", log.text.String())
		}
	})
}

// TestTwoSchedulersRunOneAtATime: each time both come, and what one does the other leaves or finds done.
func TestTwoSchedulersRunOneAtATime(t *testing.T) {
	store := memory.New(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		var log diary
		cfg := schedule("@every 1h", 0)
		follow(t, 50*time.Hour+time.Minute, &log, scheduledWorld(t, store, cfg), scheduledWorld(t, store, cfg))
		collected, elsewhere := len(log.times(t, "collected")), len(log.times(t, "collector runs elsewhere"))
		if collected < 50 || collected+elsewhere != 100 || strings.Contains(log.text.String(), "failed") {
			t.Errorf("got %d runs and %d that found the store taken, want 100 together and at least one an hour", collected, elsewhere)
		}
	})
}

func TestASchedulerGoesOnAfterARunThatWasRefused(t *testing.T) {
	store := memory.New(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		var log diary
		collector := scheduledWorld(t, store, schedule("@every 1h", 0))
		if _, err := store.Put(t.Context(), "notes.txt", []byte("x"), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		follow(t, 150*time.Minute, &log, collector)
		if got := len(log.times(t, "collector failed")); got != 2 || !strings.Contains(log.text.String(), `"hint":"`) {
			t.Errorf("got %d refusals, want 2 with what to do\n%s", got, log.text.String())
		}
		if err := store.Delete(t.Context(), "notes.txt", storage.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		follow(t, 90*time.Minute, &log, collector)
		if !strings.Contains(log.text.String(), `"outcome":"done"`) {
			t.Errorf("got %s, want a run that is done", log.text.String())
		}
	})
}

// TestAnotherCollectorKeepsTheSchedule: it comes in the place of the one before, each time a little earlier than
// that would run; and with another schedule the time of that counts.
func TestAnotherCollectorKeepsTheSchedule(t *testing.T) {
	store := memory.New(memory.Options{})
	synctest.Test(t, func(t *testing.T) {
		inUTC(t)
		var log diary
		collectors := make(chan *gc.Collector, 1)
		changed := make(chan struct{}, 1)
		use := func(text string) {
			select {
			case <-collectors:
			default:
			}
			collectors <- scheduledWorld(t, store, schedule(text, 0))
			changed <- struct{}{}
		}
		current := func() (*gc.Collector, func()) {
			collector := <-collectors
			return collector, func() { collectors <- collector }
		}
		collectors <- scheduledWorld(t, store, schedule("@every 1h", 0))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { gc.Scheduler{Current: current, Changed: changed, Logger: log.logger()}.Run(ctx) }) // ends with ctx
		for range 5 {
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			use("@every 1h")
		}
		use("0 12 * * *")
		time.Sleep(13 * time.Hour)
		cancel()
		running.Wait()
		var got []string
		for _, at := range log.times(t, "collected") {
			got = append(got, at.Format("15:04"))
		}
		if want := []string{"01:00", "12:00"}; !slices.Equal(got, want) {
			t.Errorf("got runs at %q, want %q", got, want)
		}
	})
}
