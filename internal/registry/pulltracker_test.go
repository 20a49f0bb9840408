package registry

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

var errDown = errors.New("the store is down")

// idsOf is what a request for a tag of a namespace amounts to.
func idsOf(t testing.TB, name, tag string) (oci.Name, pull) {
	t.Helper()
	ns, err := oci.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := oci.ParseTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	return ns, pull{parsed, ocitest.DigestOf(tag)}
}

// noteTag notes a pull of a tag.
func noteTag(t *testing.T, tracker *pullTracker, name, tag string) {
	t.Helper()
	ns, id := idsOf(t, name, tag)
	tracker.note(ns, id, 1)
}

// size is what is kept in mind, counted anew.
func (t *pullTracker) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := len(t.namespaces)
	for _, notes := range t.namespaces {
		size += len(notes.times)
	}
	return size
}

func TestANotedPullAllocatesNothing(t *testing.T) {
	tracker := newPullTracker()
	ns, id := idsOf(t, "team/app", "v1")
	tracker.note(ns, id, 1)
	if got := testing.AllocsPerRun(1000, func() { tracker.note(ns, id, 1) }); got != 0 {
		t.Errorf("got %v allocations for a pull, want none", got)
	}
}

func TestANoteHoldsNoMemoryOfItsRequest(t *testing.T) {
	const requests, size = 64, 1 << 20
	tracker := newPullTracker()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range requests {
		request := fmt.Sprintf("team/app%04d:v%04d?%s", i, i, strings.Repeat("x", size))
		noteTag(t, tracker, request[:len("team/app0000")], request[len("team/app0000:"):len("team/app0000:v0000")])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > requests*size/4 {
		t.Errorf("%d pulls hold %d bytes, want little of the %d that their requests had", requests, got, requests*size)
	}
	runtime.KeepAlive(tracker)
}

func TestWhileTheStoreTakesNothingTheOldestNotesMakeRoom(t *testing.T) {
	t.Parallel()
	tracker := newPullTracker()
	tracker.limit = 200
	var told []error
	for i := range 1000 {
		noteTag(t, tracker, fmt.Sprintf("team/app%d", i/3), fmt.Sprintf("v%d", i%3))
		if size := tracker.size(); size > tracker.limit {
			t.Fatalf("%d are kept in mind after %d pulls, want at most %d", size, i, tracker.limit)
		}
		for _, ns := range tracker.due() {
			if err := tracker.finish(ns, tracker.take(ns), errDown); err != nil {
				told = append(told, err)
			}
		}
	}
	if len(told) != 1 || !errors.Is(told[0], errDown) {
		t.Errorf("told %q, want the failure once", told)
	}
	kept := map[string]bool{}
	for _, ns := range tracker.pending() {
		kept[ns.String()] = true
	}
	if !kept["team/app333"] || !kept["team/app300"] || kept["team/app0"] {
		t.Errorf("kept are %v, want the last ones", kept)
	}

	remaining := tracker.size() - len(tracker.pending())
	told = nil
	for _, ns := range tracker.pending() {
		if err := tracker.finish(ns, tracker.take(ns), nil); err != nil {
			told = append(told, err)
		}
	}
	if want := fmt.Sprintf("%d were forgotten", 1000-remaining); len(told) != 1 || !strings.Contains(told[0].Error(), want) {
		t.Errorf("told %q, want once that %s", told, want)
	}
}

func TestWhatWasNotPulledSinceIsNotKeptInMind(t *testing.T) {
	t.Parallel()
	tracker := newPullTracker()
	noteTag(t, tracker, "app", "v1")
	for range soonTicks + pullTicks {
		for _, ns := range tracker.due() {
			if err := tracker.finish(ns, tracker.take(ns), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if size := tracker.size(); size != 0 {
		t.Errorf("%d are kept in mind, want none", size)
	}
}

func TestManyNotesDoNotWaitForTheirTime(t *testing.T) {
	t.Parallel()
	tracker := newPullTracker()
	tracker.limit = 200
	for i := range tracker.limit / 2 {
		select {
		case <-tracker.full:
			t.Fatalf("full after %d pulls, want it at %d", i, tracker.limit/2)
		default:
		}
		noteTag(t, tracker, "app", fmt.Sprint("v", i))
	}
	select {
	case <-tracker.full:
	default:
		t.Errorf("not full after %d pulls", tracker.limit/2)
	}
}

func TestAPullThatCameDuringAFailedRecordIsKeptWithItsLaterTime(t *testing.T) {
	t.Parallel()
	tracker := newPullTracker()
	ns, id := idsOf(t, "app", "v1")
	tracker.note(ns, id, 1)
	taken := tracker.take(ns)
	tracker.note(ns, id, 61)
	if err := tracker.finish(ns, taken, errDown); !errors.Is(err, errDown) {
		t.Errorf("told %v, want %v", err, errDown)
	}
	if got := *tracker.take(ns).times[id]; got != 61 {
		t.Errorf("got second %d, want 61", got)
	}
}

// BenchmarkNotePull is what is added to each pull, by one client and by many at once.
func BenchmarkNotePull(b *testing.B) {
	tracker := newPullTracker()
	ns, id := idsOf(b, "team/app", "v1")
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tracker.note(ns, id, 1)
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				tracker.note(ns, id, 1)
			}
		})
	})
}
