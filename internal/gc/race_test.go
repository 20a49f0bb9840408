package gc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// raceTime is how long the race takes when SREG_TEST_SOAK says nothing, and dangerousTime how long one that is
// made to fail takes at most.
const (
	raceTime      = 20 * time.Second
	dangerousTime = 5 * time.Minute
)

// TestNothingIsLostInARace lets pushers, deleters, retaggers and collectors loose on one folder, each as a
// process of its own that is stopped now and then for longer than grace and trash. After it all that was
// acknowledged and not deleted is whole, what was deleted is not to be seen, and nothing else is left.
func TestNothingIsLostInARace(t *testing.T) {
	t.Parallel()
	length := raceTime
	if os.Getenv("SREG_TEST_ALL") == "1" {
		length = time.Minute
	}
	if text := os.Getenv("SREG_TEST_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SREG_TEST_SOAK: %v", err)
		}
	}
	r := newRace(t, raceFolder(t))
	r.run(length)
	r.report()
	r.verifyEnd()
	r.report()
}

// TestTheRaceFindsWhatIsTakenAway shows that the race can fail: without the second look, without the revival
// and with a collector that destroys what it has just condemned something is lost, within seconds as a rule.
func TestTheRaceFindsWhatIsTakenAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		sabotage func(r *race)
	}{
		{"the second look", func(r *race) {
			r.pushers = func(s storage.Store) storage.Store { return &noSecondLook{Store: s} }
		}},
		{"the revival", func(r *race) {
			r.pushers = func(s storage.Store) storage.Store { return noRevival{s} }
		}},
		{"the order of a run", func(r *race) { r.collect = (*gc.Collector).RunInWrongOrder }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newDangerousRace(t)
			tt.sabotage(r)
			begun := time.Now()
			r.run(dangerousTime)
			if len(r.violations) == 0 {
				t.Fatalf("nothing was lost in %s", dangerousTime)
			}
			t.Logf("after %s: %s", time.Since(begun).Round(time.Millisecond), r.violations[0])
		})
	}
}

// TestTheRaceFindsNothingWhereNothingIsTakenAway is the same race with everything in its place.
func TestTheRaceFindsNothingWhereNothingIsTakenAway(t *testing.T) {
	t.Parallel()
	r := newDangerousRace(t)
	r.run(raceTime / 10)
	r.report()
	r.verifyEnd()
	r.report()
}

// newDangerousRace is one without any ages, in which all stop where it is most dangerous: in memory, so that they
// come there often.
func newDangerousRace(t *testing.T) *race {
	t.Helper()
	s := memory.New(memory.Options{})
	r := newRace(t, func() storage.Store { return s })
	r.pause = r.whereItIsDangerous
	r.patience = func() time.Duration { return 0 }
	return r
}

// race is a store and who works on it at the same time.
type race struct {
	t     *testing.T
	store func() storage.Store // opens it, as one more process

	pushers  func(storage.Store) storage.Store // what stands between a pusher and the store
	collect  func(*gc.Collector, context.Context, gc.RunOptions) (*gc.Report, error)
	pause    func(step string)    // stops who comes to a step of the store, or does not
	patience func() time.Duration // of one run: grace, or trash

	over   context.Context // ends with the time, or with the first violation
	stop   context.CancelFunc
	reader *registry.Registry // one that does nothing else

	owners     []*owner
	ended      atomic.Int64 // runs, and those that refused
	runs       atomic.Int64
	freed      atomic.Int64
	mu         sync.Mutex
	violations []string // guarded by mu
}

func newRace(t *testing.T, store func() storage.Store) *race {
	t.Helper()
	r := &race{
		t: t, store: store,
		pushers:  func(s storage.Store) storage.Store { return s },
		collect:  (*gc.Collector).Run,
		patience: func() time.Duration { return rand.N(300 * time.Millisecond) },
	}
	r.pause = r.anywhere
	r.reader = r.open(r.store(), nil)
	if err := r.reader.Maintenance().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// raceFolder opens a new folder, as several processes would.
func raceFolder(t *testing.T) func() storage.Store {
	t.Helper()
	root := t.TempDir()
	return func() storage.Store {
		t.Helper()
		s, err := fs.New(fs.Config{Root: root}, fs.Options{Folders: registry.Folders()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func (r *race) open(s storage.Store, now func() time.Time) *registry.Registry {
	r.t.Helper()
	reg, err := registry.New(r.t.Context(), registry.Options{
		Blobs: s, Metadata: s, Locks: lockmemory.New(), Config: registry.DefaultConfig(), Now: now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return reg
}

// process is a Registry of its own that is stopped now and then.
func (r *race) process(between func(storage.Store) storage.Store) *registry.Registry {
	r.t.Helper()
	return r.open(&stalling{Store: between(r.store()), pause: r.pause}, nil)
}

// idle lets time pass, unless the race is over.
func (r *race) idle(wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-r.over.Done():
	}
}

// anywhere stops before one of a hundred steps for a moment, and before one of a thousand for longer than
// grace and trash together.
func (r *race) anywhere(string) {
	switch rand.N(1000) {
	case 0:
		r.idle(rand.N(800 * time.Millisecond))
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		r.idle(rand.N(20 * time.Millisecond))
	}
}

// whereItIsDangerous stops where a missing part of the protocol shows: a pusher before its draft, until up to
// three runs have ended, however long they take, and a collector between its mark and what it does by it.
func (r *race) whereItIsDangerous(step string) {
	switch step {
	case "prepare":
		last := r.ended.Load() + rand.N[int64](4)
		for r.ended.Load() < last && r.over.Err() == nil {
			r.idle(time.Millisecond)
		}
	case "condemn", "destroy":
		r.idle(rand.N(10 * time.Millisecond))
	}
}

// violate notes what must not be. The first one ends the race.
func (r *race) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
	r.stop()
}

func (r *race) report() {
	r.t.Helper()
	for _, violation := range r.violations {
		r.t.Error(violation)
	}
	if r.t.Failed() {
		r.t.FailNow()
	}
}

const (
	ownerCount     = 4
	strangerCount  = 2
	collectorCount = 3
)

// run lets all loose, and waits for them.
func (r *race) run(length time.Duration) {
	r.t.Helper()
	r.over, r.stop = context.WithTimeout(r.t.Context(), length)
	defer r.stop()
	var all sync.WaitGroup
	for i := range ownerCount {
		o := newOwner(r, i)
		r.owners = append(r.owners, o)
		all.Go(func() { r.repeat(o.act) })
	}
	for range strangerCount {
		s := &stranger{race: r, reg: r.process(r.pushers)}
		all.Go(func() { r.repeat(s.act) })
	}
	for range collectorCount {
		reg := r.process(func(s storage.Store) storage.Store { return s })
		all.Go(func() { r.repeat(func() { r.collectOnce(reg) }) })
	}
	all.Wait()
	pushes := 0
	for _, o := range r.owners {
		pushes += o.pushes
	}
	r.t.Logf("%d pushes of owners, %d runs that destroyed %d objects", pushes, r.runs.Load(), r.freed.Load())
	if len(r.violations) == 0 && (pushes == 0 || r.runs.Load() == 0 || r.freed.Load() == 0) {
		r.t.Error("that was no race")
	}
}

func (r *race) repeat(act func()) {
	for r.over.Err() == nil {
		act()
	}
}

// collectOnce is one run with ages of fractions of a second, if nobody else collects.
func (r *race) collectOnce(reg *registry.Registry) {
	config := gc.Config{
		Grace: r.patience(), Trash: r.patience(), UntaggedAfter: 1 + r.patience(), MaxDelete: "100%", Concurrency: 1 + rand.N(4),
	}
	c, err := gc.New(gc.Options{Registry: reg.Maintenance(), Config: config})
	if err != nil {
		r.violate("%v", err)
		return
	}
	report, err := r.collect(c, context.Background(), gc.RunOptions{Holder: "somebody"})
	var claimed *registry.ClaimedError
	var refused *gc.RefusedError
	switch {
	case errors.As(err, &claimed):
		r.idle(rand.N(20 * time.Millisecond))
	case errors.As(err, &refused): // nothing was pushed yet
		r.ended.Add(1)
		r.idle(rand.N(20 * time.Millisecond))
	case err != nil:
		r.violate("collect: %v: %q", err, report.Errors)
	default:
		r.ended.Add(1)
		r.runs.Add(1)
		r.freed.Add(report.Freed.Objects)
	}
}

// verifyEnd verifies what there is when nobody works any more, before and after some runs to which everything is old.
func (r *race) verifyEnd() {
	r.t.Helper()
	verify := func() {
		for _, o := range r.owners {
			o.verifyAll()
		}
	}
	verify()
	s := r.store()
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	reg := r.open(s, ahead)
	tidy(r.t, reg, ahead)
	verify()
	wantNothingElse(r.t, reg)
	if dangling := registrytest.Check(r.t, registrytest.Subject{Registry: r.reader, Blobs: s, Metadata: s}); len(dangling) > 0 {
		r.t.Errorf("what is gone is named by\n  %s", strings.Join(dangling, "\n  "))
	}
}
