package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// lifetimes are what runs of the collector that nothing disturbs make of a store.
type lifetimes struct {
	prepared string
	dangling []string // names of what is gone that a killed delete has left there
	last     files    // when there is no more to do
	ever     files    // behind any of the runs
}

func lifetimesOf(t *testing.T) lifetimes {
	t.Helper()
	l := lifetimes{prepared: lifeOf(t, mountMemory(t, "2g"))}
	l.dangling = checkStore(t, copyStore(t, l.prepared), lifeIs...)
	dir := copyStore(t, l.prepared)
	l.last, l.ever = collectAll(t, dir, hasty)
	if left := filesBelow(t, filepath.Join(dir, "_deleted")); len(left) > 0 {
		t.Errorf("can be restored for ever: %q", left)
	}
	if dangling := checkStore(t, dir, lifeIs...); len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by %q", dangling)
	}
	return l
}

// finish lets the next runs finish what one has left, and compares what comes of it.
func (l lifetimes) finish(t *testing.T, dir string, runs int) {
	t.Helper()
	// Check brings uploads to their end, which the collector here takes for expired: so it gets a copy.
	wantNoNew(t, l.dangling, checkStore(t, copyStore(t, dir), lifeIs...))
	for range runs {
		runCmd(t, gcCommand(t, dir, hasty, "--max-delete", "100%"))
	}
	next := filesOf(t, dir)
	// It may be as far as a later run already, and no further than the last one.
	if undone := next.without(l.ever); len(undone) > 0 {
		t.Errorf("the next run left undone\n  %s", strings.Join(undone, "\n  "))
	}
	if lost := l.last.without(next); len(lost) > 0 {
		t.Errorf("the next run lost\n  %s", strings.Join(lost, "\n  "))
	}
	last, _ := collectAll(t, dir, hasty)
	for _, difference := range [][]string{l.last.without(last), last.without(l.last)} {
		if len(difference) > 0 {
			t.Errorf("when there is no more to do these differ:\n  %s", strings.Join(difference, "\n  "))
		}
	}
	if left := filesBelow(t, filepath.Join(dir, "_deleted")); len(left) > 0 {
		t.Errorf("can be restored for ever: %q", left)
	}
	if dangling := checkStore(t, dir, lifeIs...); len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by %q", dangling)
	}
}

func filesBelow(t *testing.T, dir string) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestACollectorThatIsKilledBehindAnyWriteIsFinishedByTheNext kills sreg gc behind each call that changes
// the store, verifies S1 to S6 and what stays, and lets the next run finish.
func TestACollectorThatIsKilledBehindAnyWriteIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	needRoot(t)
	l := lifetimesOf(t)
	everyKill(t, 30, func(t *testing.T, n int) []call {
		dir, calls := killProcess(t, l.prepared, n, func(dir string) *exec.Cmd { return gcCommand(t, dir, hasty) })
		l.finish(t, dir, 1)
		return calls
	})
}

// everyKill runs a test for each call behind which a process shall be killed. With n = 0 it is not. But for the
// slow tests one of those that are alike has its turn, and a kill behind what only prepares a rename shows
// little.
func everyKill(t *testing.T, atLeast int, try func(t *testing.T, n int) []call) {
	t.Helper()
	calls := try(t, 0)
	if len(calls) < atLeast {
		t.Fatalf("undisturbed it makes %d writes, want more: %s", len(calls), calls)
	}
	seen := map[string]bool{}
	for i, c := range calls {
		alike := likeness(c)
		if !all() && (seen[alike] || !strings.HasPrefix(alike, "renameat") && !strings.HasPrefix(alike, "unlinkat")) {
			continue
		}
		seen[alike] = true
		t.Run(fmt.Sprintf("write %d of %d, %s", i+1, len(calls), c.name), func(t *testing.T) {
			t.Parallel()
			if try(t, i+1); t.Failed() {
				t.Logf("killed behind %s", c)
			}
		})
	}
}

// killProcess runs a command on a copy of a store and kills it behind its n-th write, or never if n is 0. It
// returns the copy and the writes.
func killProcess(t *testing.T, prepared string, n int, commandOn func(dir string) *exec.Cmd) (dir string, calls []call) {
	t.Helper()
	dir = copyStore(t, prepared)
	doomed, begin := heldBack(t, dir, commandOn(dir))
	calls, held, done := stepper{kinds: writeCalls, counts: writes(dir), n: n}.run(t, doomed, begin)
	_ = doomed.process.cmd.Process.Kill()
	if err := <-done; err != nil && !held && exitCode(err) != 1 {
		t.Fatalf("undisturbed: %v", err)
	}
	if len(calls) < n-1 {
		t.Fatalf("it made %d writes, want %d", len(calls), n)
	}
	return dir, calls
}

// TestARestoreThatIsKilledBehindAnyWriteIsFinishedByTheNext kills sreg gc restore.
func TestARestoreThatIsKilledBehindAnyWriteIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := lifeOf(t, mountMemory(t, "2g"))
	before := checkStore(t, copyStore(t, prepared), lifeIs...)
	restored := slices.Concat(lifeIs, registrytest.ImageIs(lifeRestored, imageRestored, tagOne))
	restore := func(dir string) *exec.Cmd {
		return command(t, binary, "gc", "restore", lifeRestored.String(), "--data", dir)
	}
	everyKill(t, 10, func(t *testing.T, n int) []call {
		dir, calls := killProcess(t, prepared, n, restore)
		wantNoNew(t, before, checkStore(t, copyStore(t, dir), lifeIs...))
		// If the killed one was at its end already nothing is left to be restored. An entry of the trash whose
		// tag is there again stays until gc.trash is over.
		if out, err := restore(dir).CombinedOutput(); err != nil && len(trashOf(t, dir, lifeRestored)) > 0 {
			t.Errorf("restored again: %v\n%s", err, out)
		}
		wantNoNew(t, before, checkStore(t, dir, restored...))
		return calls
	})
}

func trashOf(t *testing.T, dir string, ns oci.Name) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "_deleted", strings.ReplaceAll(ns.String(), "/", ".~"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// wantNoNew wants that no more is named that is gone than was before.
func wantNoNew(t *testing.T, before, now []string) {
	t.Helper()
	for _, dangling := range now {
		if !slices.Contains(before, dangling) {
			t.Errorf("S2: what was taken away is named: %s", dangling)
		}
	}
}

// TestARepairThatIsKilledBehindAnyWriteIsFinishedByTheNext kills sreg gc verify --repair.
func TestARepairThatIsKilledBehindAnyWriteIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := lifeOf(t, mountMemory(t, "2g"))
	corrupt := blobFile(prepared, imageKept.Layers[0].Digest)
	if err := os.WriteFile(corrupt, []byte("no layer"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []string{lifeKept.String() + "/_layers/sha256/" + imageKept.Config.Digest.Hex(), "_namespaces/life.~kept"} {
		if err := os.Remove(filepath.Join(prepared, lost)); err != nil {
			t.Fatal(err)
		}
	}
	repair := func(dir string) *exec.Cmd { return command(t, binary, "gc", "verify", "--repair", "--data", dir) }
	repaired := slices.Concat(lifeIs[:3], lifeIs[4:], []registrytest.Fact{registrytest.NoBlob(lifeKept, imageKept.Layers[0].Digest)})
	everyKill(t, 5, func(t *testing.T, n int) []call {
		dir, calls := killProcess(t, prepared, n, repair)
		// The layer has to be pushed again, so a finding remains.
		if out, err := repair(dir).CombinedOutput(); exitCode(err) != 1 {
			t.Errorf("repaired again: want exit code 1, got %v\n%s", err, out)
		}
		checkStore(t, dir, repaired...)
		aside, err := filepath.Glob(filepath.Join(dir, "_corrupt", "*", "_blobs", "sha256", "*", imageKept.Layers[0].Digest.Hex()))
		if err != nil || len(aside) == 0 {
			t.Errorf("the last copy of the layer is gone: %v", err)
		}
		return calls
	})
}

// TestAnyCallOfACollectorMayFail lets each call that a run makes on the store fail once: it says what and exits
// with 1, and the next runs finish.
func TestAnyCallOfACollectorMayFail(t *testing.T) {
	t.Parallel()
	needRoot(t)
	l := lifetimesOf(t)
	calls := l.failAt(t, failure{})
	if len(calls) < 100 {
		t.Fatalf("an undisturbed run makes %d calls, want more: %s", len(calls), calls)
	}
	for n, errno := range failures(calls) {
		t.Run(fmt.Sprintf("%s at call %d of %d, %s", errno, n, len(calls), calls[n].name), func(t *testing.T) {
			t.Parallel()
			l.failAt(t, failure{n: n, next: calls[n], errno: errno})
		})
	}
}

// failures are the numbers of the calls that shall fail, and how: of those that are alike two, the one with a
// broken disk and the other with a full one. But for the slow tests every fifth of these has to do.
func failures(calls []call) map[int]string {
	chosen, seen := map[int]string{}, map[string]int{}
	for n, c := range calls[1:] { // behind no call it cannot stand still
		alike := likeness(c)
		seen[alike]++
		if seen[alike] <= 2 && (all() || len(seen)%5 == 0 && seen[alike] == 1) {
			chosen[n+1] = []string{"EIO", "ENOSPC"}[(len(seen)+seen[alike])%2]
		}
	}
	return chosen
}

// chance is what no two runs have in their paths alike, or what is the same for one digest as for another.
var chance = regexp.MustCompile(`[0-9a-f]{64}|/[0-9a-f]{2}\b|~[A-Z0-9]+|[0-9]{19}-[A-Z0-9]+|/copy-[0-9]+|/\.tmp-[A-Z0-9]+|life/[a-z]+|/[A-Z0-9]{26}`)

// likeness is what calls have in common that do the same to another digest.
func likeness(c call) string {
	return c.name + " " + chance.ReplaceAllString(strings.Join(c.paths, " "), "*")
}

func (l lifetimes) failAt(t *testing.T, f failure) []call {
	t.Helper()
	dir := copyStore(t, l.prepared)
	onStore := func(c call) bool {
		// Files that are kept for the next upload are removed at the end; what stays of them is swept later.
		spare := c.name == "unlinkat" && strings.Contains(c.text, "/_tmp/")
		return len(c.paths) > 0 && strings.HasPrefix(c.paths[0], dir+"/") && !strings.Contains(c.text, "/_locks/") && !spare
	}
	collector, begin := heldBack(t, dir, gcCommand(t, dir, hasty))
	calls, held, done := stepper{kinds: writeCalls, counts: onStore, n: f.n}.run(t, collector, begin)
	if f.n == 0 {
		if err := <-done; err != nil {
			t.Fatalf("undisturbed: %v", err)
		}
		return calls
	}
	if !held {
		t.Fatalf("the run came to its end (%v) before call %d", <-done, f.n)
	}
	failed := collector.failNext(t, f.next.name, "", f.errno, done)
	if failed.name == "" || len(failed.paths) == 0 || !strings.HasPrefix(failed.paths[0], dir) {
		t.Errorf("want a call on the store to fail, got %q", failed)
	}
	said := map[string]string{"EIO": "input/output error", "ENOSPC": "no space left"}[f.errno]
	code := exitCode(<-done)
	// An entry of a tag that was removed meanwhile says nothing without it. One that the run itself is to drop does.
	silent := failed.name == "unlinkat" && strings.Contains(failed.text, "/_manifests/tagged/") && code == 0
	if !silent && (code != 1 || !strings.Contains(collector.process.output(), "error: ") || !strings.Contains(collector.process.output(), said)) {
		t.Errorf("want exit code 1 and an error with %q, got %d:\n%s", said, code, collector.process.output())
	}
	// Where a tag could not be removed nothing of its namespace is condemned: that is another run's.
	l.finish(t, dir, 2)
	if t.Failed() {
		t.Logf("%s in %s", f.errno, failed)
	}
	return nil
}
