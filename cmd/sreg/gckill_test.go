package main_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
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
	for _, dangling := range checkStore(t, copyStore(t, dir), lifeIs...) {
		if !slices.Contains(l.dangling, dangling) {
			t.Errorf("S2: what the run took away is named: %s", dangling)
		}
	}
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
	calls := l.killBehind(t, 0)
	if len(calls) < 30 {
		t.Fatalf("an undisturbed run makes %d writes, want more: %s", len(calls), calls)
	}
	seen := map[string]bool{}
	for n := range calls {
		alike := likeness(calls[n])
		if !all() && (seen[alike] || !strings.HasPrefix(alike, "renameat") && !strings.HasPrefix(alike, "unlinkat")) {
			continue
		}
		seen[alike] = true
		t.Run(fmt.Sprintf("write %d of %d, %s", n+1, len(calls), calls[n].name), func(t *testing.T) {
			t.Parallel()
			l.killBehind(t, n+1)
		})
	}
}

// killBehind collects a copy of the store with a process that is killed behind its n-th write, or never if
// n is 0, and returns the writes.
func (l lifetimes) killBehind(t *testing.T, n int) []call {
	t.Helper()
	dir := copyStore(t, l.prepared)
	collector, begin := heldBack(t, dir, gcCommand(t, dir, hasty))
	calls, held, done := stepper{kinds: writeCalls, counts: writes(dir), n: n}.run(t, collector, begin)
	_ = collector.process.cmd.Process.Kill()
	if err := <-done; err != nil && !held {
		t.Fatalf("undisturbed: %v", err)
	}
	if len(calls) < n-1 {
		t.Fatalf("it made %d writes, want %d", len(calls), n)
	}
	l.finish(t, dir, 1)
	if t.Failed() && n > 0 {
		t.Logf("killed behind %s", calls[len(calls)-1])
	}
	return calls
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
	seen := map[string]bool{}
	for i, errno := range []string{"EIO", "ENOSPC"} {
		for n, next := range calls {
			alike := likeness(next)
			if n == 0 || !all() && (seen[alike] || n%2 == i) {
				continue // behind no call the run does not stand still
			}
			seen[alike] = true
			t.Run(fmt.Sprintf("%s at call %d of %d, %s", errno, n, len(calls), next.name), func(t *testing.T) {
				t.Parallel()
				l.failAt(t, failure{n: n, next: next, errno: errno})
			})
		}
	}
}

// chance is what no two runs have in their paths alike, or what is the same for one digest as for another.
var chance = regexp.MustCompile(`[0-9a-f]{64}|/[0-9a-f]{2}\b|~[A-Z0-9]+|[0-9]{19}-[A-Z0-9]+|/copy-[0-9]+|/\.tmp-[A-Z0-9]+|life/[a-z]+|/[A-Z0-9]{26}`)

// likeness is what calls have in common that do the same to another digest. With the slow tests each call
// has its turn, else one of those that are alike; a kill behind what only prepares a rename shows little.
func likeness(c call) string {
	return c.name + " " + chance.ReplaceAllString(strings.Join(c.paths, " "), "*")
}

func (l lifetimes) failAt(t *testing.T, f failure) []call {
	t.Helper()
	dir := copyStore(t, l.prepared)
	onStore := func(c call) bool {
		return len(c.paths) > 0 && strings.HasPrefix(c.paths[0], dir+"/") && !strings.Contains(c.text, "/_locks/")
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
	if code := exitCode(<-done); code != 1 || !strings.Contains(collector.process.output(), "error: ") || !strings.Contains(collector.process.output(), said) {
		t.Errorf("want exit code 1 and an error with %q, got %d:\n%s", said, code, collector.process.output())
	}
	// Where a tag could not be removed nothing of its namespace is condemned: that is another run's.
	l.finish(t, dir, 2)
	if t.Failed() {
		t.Logf("%s in %s", f.errno, failed)
	}
	return nil
}
