package main_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// Here a process stands still between two of its calls while others go on for longer than what it relies on
// is kept, and then goes on as if nothing were. With this config each run of the collector takes longer
// than gc.grace and gc.trash together.

// standsFor is how long somebody may wait for a lock that a process holds which stands still. Then that goes
// on: what must hold is no matter of locks.
const standsFor = 2 * time.Second

// aside does something while a process stands still, and lets the process go on when it is done, or waits
// for the process itself.
func aside(t *testing.T, stopped *server, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { // ends with what it does, at the latest when the process goes on
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(standsFor):
	}
	stopped.process.signal(t, syscall.SIGCONT)
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("what went on beside a process that stood still did not come to its end")
	}
}

// collects runs the collector some times, each to a good end. It may be called beside the test's goroutine.
func collects(t *testing.T, dir string, times int) {
	t.Helper()
	for range times {
		cmd := gcCommand(t, dir, hastyButForUploads, "--max-delete", "100%")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("collect: %v\n%s", err, out)
		}
	}
}

// turning is what matters of calls on a store: names change, are looked up, or a client is answered.
func turning(dir string) func(call) bool {
	return func(c call) bool {
		if c.name == "write" {
			return strings.Contains(c.text, `"HTTP/1.1 `)
		}
		return len(c.paths) > 0 && strings.HasPrefix(c.paths[0], dir+"/") && !strings.Contains(c.text, "/_locks/")
	}
}

const turningCalls = "openat,write,linkat,renameat,renameat2,unlinkat"

// few is how many calls each have their turn, twice as many in the slow tests. Of more only one of those that are
// alike has, and no folder that is opened on the way to the next one; for the slow tests also what comes next has
// to be alike.
const few = 50

// stops are the numbers of the calls behind which a process shall stand still.
func stops(calls []call) (numbers []int) {
	seen := map[string]bool{}
	each := len(calls) <= few || all() && len(calls) <= 2*few
	for i, c := range calls {
		alike := likeness(c)
		if i+1 < len(calls) {
			next := calls[i+1]
			if all() {
				alike += " " + likeness(next)
			} else if !each && next.name == "openat" && strings.HasPrefix(next.paths[0], c.paths[0]+"/") {
				continue
			}
		}
		if each || !seen[alike] {
			seen[alike] = true
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// everyStop runs a test for each call behind which something shall stand still. With n = 0 it is undisturbed.
func everyStop(t *testing.T, atLeast int, try func(t *testing.T, n int) []call) {
	t.Helper()
	calls := try(t, 0)
	if len(calls) < atLeast {
		t.Fatalf("undisturbed it makes %d calls, want more: %s", len(calls), calls)
	}
	for _, n := range stops(calls) {
		t.Run(fmt.Sprintf("call %d of %d, %s", n, len(calls), calls[n-1].name), func(t *testing.T) {
			t.Parallel()
			if try(t, n); t.Failed() {
				t.Logf("stood still behind %s", calls[n-1])
			}
		})
	}
}

// TestAPusherThatStandsStillLosesNothingToTheCollector pushes an image anew all of which is condemned, and
// stops the server on the way while the collector comes four times.
func TestAPusherThatStandsStillLosesNothingToTheCollector(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := lifeOf(t, mountMemory(t, "2g"))
	everyStop(t, 15, func(t *testing.T, n int) []call {
		dir := copyStore(t, prepared)
		s := serveConfiguredIn(t, dir, hastyButForUploads)
		w := newWire(t, s)
		push := func(w *wire) error { return w.pushImage(lifeGone, imageGone, tagKeep) }
		calls, held, done := stepper{kinds: turningCalls, counts: turning(dir), n: n}.run(t, s, func() error { return push(w) })
		if held {
			aside(t, s, func() { collects(t, dir, 4) })
		}
		if err := <-done; err != nil {
			wantRefusal(t, err)
			w = newWire(t, s)
			if err := push(w); err != nil {
				t.Errorf("pushed again: %v", err)
			}
		}
		wantAfter(t, s, slices.Concat(w.acknowledged, lifeIs))
		if err := w.pull(lifeGone, imageGone, tagKeep); err != nil {
			t.Errorf("pull: %v", err)
		}
		return calls
	})
}

// wantRefusal wants an answer of the specification, from which a client knows what to do.
func wantRefusal(t *testing.T, err error) {
	t.Helper()
	var got *httpapitest.RefusedError
	if !errors.As(err, &got) {
		t.Errorf("got %v, want an answer", err)
		return
	}
	if _, err := got.Info(); err != nil {
		t.Error(err)
	}
}

// wantAfter lets the collector come twice more, and verifies the store beside its server.
func wantAfter(t *testing.T, s *server, facts []registrytest.Fact) {
	t.Helper()
	collects(t, s.dir, 2)
	if dangling := checkStore(t, s.dir, facts...); len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by %q", dangling)
	}
}

// TestADeleterThatStandsStillLeavesNothing deletes a manifest that has a tag, and stops the server on the way
// while the collector comes four times.
func TestADeleterThatStandsStillLeavesNothing(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := lifeOf(t, mountMemory(t, "2g"))
	gone := []registrytest.Fact{registrytest.NoManifest(lifeBack, imageBack.Digest), registrytest.NoTag(lifeBack, tagKeep)}
	everyStop(t, 5, func(t *testing.T, n int) []call {
		dir := copyStore(t, prepared)
		s := serveConfiguredIn(t, dir, hastyButForUploads)
		w := newWire(t, s)
		remove := func() error { return w.remove(lifeBack, "manifests/"+imageBack.Digest.String()) }
		calls, held, done := stepper{kinds: turningCalls, counts: turning(dir), n: n}.run(t, s, remove)
		if held {
			aside(t, s, func() { collects(t, dir, 4) })
		}
		if err := <-done; err != nil {
			wantRefusal(t, err)
			if err := remove(); err != nil && !httpapitest.Refused(err, 404) {
				t.Errorf("deleted again: %v", err)
			}
		}
		collects(t, dir, 2)
		wantAfter(t, s, slices.Concat(gone, lifeIs[:4], []registrytest.Fact{
			registrytest.NoBlob(lifeBack, imageBack.Config.Digest), registrytest.NoBlob(lifeBack, imageBack.Layers[0].Digest),
		}))
		return calls
	})
}

// TestACollectorThatStandsStillTakesNothingThatWasPromised stops sreg gc on its way while a server takes pushes
// of what is about to go, and a delete. Meanwhile no other collector runs.
func TestACollectorThatStandsStillTakesNothingThatWasPromised(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := lifeOf(t, mountMemory(t, "2g"))
	mounted := ocitest.ImageOf(imageGone.Config, imageKept.Layers...)
	everyStop(t, 100, func(t *testing.T, n int) []call {
		dir := copyStore(t, prepared)
		collector, begin := heldBack(t, dir, gcCommand(t, dir, hastyButForUploads))
		// It reads the format of the store before it holds the lock.
		locked := func(c call) bool { return turning(dir)(c) && !strings.HasSuffix(c.paths[0], "/_format") }
		calls, held, done := stepper{kinds: turningCalls, counts: locked, n: n}.run(t, collector, begin)
		if !held {
			if err := <-done; err != nil {
				t.Errorf("collect: %v", err)
			}
			return calls
		}
		s := serveConfiguredIn(t, dir, hastyButForUploads)
		w := newWire(t, s)
		aside(t, collector, func() {
			other := gcCommand(t, dir, hastyButForUploads)
			out, err := other.CombinedOutput()
			if exitCode(err) != 3 || !strings.Contains(string(out), fmt.Sprint("process ", collector.process.cmd.Process.Pid)) {
				t.Errorf("another collector: want exit code 3 and who holds the lock, got %v\n%s", err, out)
			}
			err = errors.Join(
				w.pushImage(lifeGone, imageGone, tagKeep),
				w.mount(lifeGone, lifeKept, imageKept.Layers[0]),
				w.pushImage(lifeGone, mounted, ocitest.Tag("keep-mounted")),
				w.pushImage(lifeKept, imageLost, ocitest.Tag("keep-lost")),
				w.remove(lifeBack, "manifests/"+imageBack.Digest.String(), registrytest.NoManifest(lifeBack, imageBack.Digest), registrytest.NoTag(lifeBack, tagKeep)),
			)
			if err != nil {
				t.Errorf("beside a collector that stands still: %v", err)
			}
		})
		if err := <-done; err != nil {
			t.Errorf("the collector that stood still: %v", err)
		}
		wantAfter(t, s, slices.Concat(w.acknowledged, lifeIs[:4]))
		for tag, image := range map[string]ocitest.Manifest{"keep": imageGone, "keep-mounted": mounted} {
			if err := w.pull(lifeGone, image, ocitest.Tag(tag)); err != nil {
				t.Errorf("pull: %v", err)
			}
		}
		return calls
	})
}
