package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// A kill takes nothing from the page cache, so that a server which syncs nothing passes the tests that
// kill it. Here the syncs themselves are looked at.

// TestWhatIsAcknowledgedIsSynced does each change and reads in the trace that nothing was answered
// before all that the answer rests on was synced. Then it takes the syncs out of the trace, those of one
// file or folder at a time, and each must be missed.
func TestWhatIsAcknowledgedIsSynced(t *testing.T) {
	t.Parallel()
	needRoot(t)
	prepared := prepare(t, t.TempDir())
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serveIn(t, copyStore(t, prepared))
			calls := s.watchChange(t, c.do)
			for _, problem := range unsynced(s.dir, calls, c.found...) {
				t.Error(problem)
			}
			for _, path := range syncedPaths(calls) {
				rest := slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return isSync(c) && c.paths[0] == path })
				if len(unsynced(s.dir, rest, c.found...)) == 0 {
					t.Errorf("when %s is not synced, nothing is missed", path)
				}
			}
			if t.Failed() {
				t.Log(trace(calls))
			}
		})
	}
}

func TestAServerThatDoesNotSyncIsFoundOut(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := serveConfigured(t, "storage: {blobs: {fs: {sync: false}}}")
	calls := s.watchChange(t, func(w *wire) error { return w.pushImage(fresh, one, tagOne) })
	if slices.ContainsFunc(calls, isSync) {
		t.Errorf("it syncs in spite of sync: false:\n%s", trace(calls))
	}
	got := strings.Join(unsynced(s.dir, calls), "\n")
	for _, want := range []string{
		"rests on the name " + filepath.Join(s.dir, "_blobs/sha256"),
		"rests on the bytes of " + filepath.Join(s.dir, "team/new/_manifests/revisions/sha256", one.Digest.Hex()),
		"rests on the name " + filepath.Join(s.dir, "team/new/_manifests/tags", tagOne.String()),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

// TestASmallPushCostsTheSyncsThatAreDocumented pushes an image into a namespace and folders of blobs that the
// server has written to before.
func TestASmallPushCostsTheSyncsThatAreDocumented(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := serve(t)
	w := newWire(t, s)
	if err := w.pushImage(fresh, one, tagOne); err != nil {
		t.Fatal(err)
	}
	two := ocitest.ImageOf(ocitest.Config(besides(one.Config.Text)), ocitest.Layer(besides(one.Layers[0].Text)))
	for plain, i := two, 0; two.Digest.Hex()[:2] != one.Digest.Hex()[:2]; i++ {
		two = plain.Note(strconv.Itoa(i)) // the folders of tag entries are by the digest of the manifest
	}
	calls := s.watchChange(t, func(w *wire) error { return w.pushImage(fresh, two, tagBig) })
	syncs := len(slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !isSync(c) }))
	if want := documentedSyncs(t); syncs > want || syncs == 0 {
		t.Errorf("got %d syncs, docs/architecture.md lists %d:\n%s", syncs, want, trace(calls))
	}
	for _, problem := range unsynced(s.dir, calls) {
		t.Error(problem)
	}
}

// syncedPaths lists what was synced, each file and folder once.
func syncedPaths(calls []call) (paths []string) {
	for _, c := range calls {
		if isSync(c) && !slices.Contains(paths, c.paths[0]) {
			paths = append(paths, c.paths[0])
		}
	}
	return paths
}

// watchChange returns the calls of a server while a client changes something, from the first one to behind
// the last answer.
func (s *server) watchChange(t *testing.T, do func(w *wire) error) []call {
	t.Helper()
	w := newWire(t, s)
	return s.watch(t, writeCalls, func() {
		if err := do(w); err != nil {
			t.Fatal(err)
		}
		// When the server answers the next request it has told strace how it wrote the last answer.
		if _, err := w.send(http.MethodGet, "/v2/", "", ""); err != nil {
			t.Fatal(err)
		}
	})
}

// besides makes a content whose blob lies in the same folder as another one's.
func besides(content string) string {
	folder := func(d oci.Digest) string { return d.Hex()[:2] }
	for i := 0; ; i++ {
		if other := content + strings.Repeat(" ", i) + "."; folder(ocitest.DigestOf(other)) == folder(ocitest.DigestOf(content)) {
			return other
		}
	}
}

var (
	syncTable = regexp.MustCompile(`(?s)## The syncs of a small push\n(.*?)\n## `)
	syncRow   = regexp.MustCompile(`(?m)^\| ([0-9, ]+) \|`)
)

// documentedSyncs counts the syncs that docs/architecture.md lists.
func documentedSyncs(t *testing.T) int {
	t.Helper()
	section := syncTable.FindString(readPage(t, filepath.Join(repository, "docs", "architecture.md")))
	listed := 0
	for _, row := range syncRow.FindAllStringSubmatch(section, -1) {
		for _, number := range strings.Split(row[1], ",") {
			listed++
			if got, err := strconv.Atoi(strings.TrimSpace(number)); err != nil || got != listed {
				t.Fatalf("docs/architecture.md: the syncs are not numbered: %q, want %d", number, listed)
			}
		}
	}
	return listed
}

func trace(calls []call) string {
	var text strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&text, "%4d-%d %s\n", c.begin, c.end, c)
	}
	return text.String()
}
