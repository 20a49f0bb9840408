package main_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// change is something that a client does to a store which holds what prepare has put there.
type change struct {
	name string
	do   func(w *wire) error
	// standing must hold whatever becomes of the change.
	standing []registrytest.Fact
	// removes says that names of what is gone may stay, and that the second time it may be gone already.
	removes bool
	// found is what the change relies on and does not write, below the folder of the store.
	found []string
}

var (
	old       = ocitest.Name("team/old")   // holds an image with two tags, and a blob that nothing names
	other     = ocitest.Name("team/other") // holds the same image with one tag
	fresh     = ocitest.Name("team/new")   // not there yet
	one       = ocitest.Image("one")
	spare     = "a blob that no manifest names"
	tagOne    = ocitest.Tag("1")
	tagBig    = ocitest.Tag("LATEST")
	untouched = registrytest.ImageIs(other, one, tagOne)
	oldBlobs  = []registrytest.Fact{registrytest.BlobIs(old, one.Config.Text), registrytest.BlobIs(old, one.Layers[0].Text)}
)

var changes = []change{
	{name: "push of an image with two tags", do: func(w *wire) error { return w.pushImage(fresh, ocitest.Image("two"), tagOne, tagBig) }},
	{name: "chunked upload", do: func(w *wire) error { return w.pushChunks(fresh, "begin, ", "go on, ", "end") }},
	{
		name:  "mount",
		do:    func(w *wire) error { return w.mount(fresh, other, one.Layers[0]) },
		found: []string{filepath.Join("_blobs/sha256", one.Layers[0].Digest.Hex()[:2], one.Layers[0].Digest.Hex())},
	},
	{
		name: "delete of a tag",
		do: func(w *wire) error {
			return w.remove(old, "manifests/"+tagOne.String(), registrytest.NoTag(old, tagOne))
		},
		standing: registrytest.ImageIs(old, one, tagBig),
		removes:  true,
	},
	{
		name: "delete of a manifest with its tags",
		do: func(w *wire) error {
			return w.remove(old, "manifests/"+one.Digest.String(), registrytest.NoManifest(old, one.Digest), registrytest.NoTag(old, tagOne), registrytest.NoTag(old, tagBig))
		},
		standing: oldBlobs,
		removes:  true,
	},
	{
		name: "delete of a blob",
		do: func(w *wire) error {
			d := ocitest.DigestOf(spare)
			return w.remove(old, "blobs/"+d.String(), registrytest.NoBlob(old, d))
		},
		standing: registrytest.ImageIs(old, one, tagBig),
		removes:  true,
	},
}

// prepare makes a store below a folder that the changes can be tried on. It is not served any more.
func prepare(t *testing.T, below string) (dir string) {
	t.Helper()
	s := serveIn(t, filepath.Join(below, "prepared"))
	w := newWire(t, s)
	err := errors.Join(w.pushImage(old, one, tagOne, tagBig), w.pushBlob(old, spare), w.pushImage(other, one, tagOne))
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	s.stop(t)
	return s.dir
}

// writeCalls are the calls that a store is changed by, or made durable by.
const writeCalls = "openat,mkdirat,write,pwrite64,ftruncate,fsync,fdatasync,linkat,renameat,renameat2,unlinkat"

// writes says whether a call changes a store below a folder, or syncs a part of it. What a server
// writes to its clients counts, too: behind it, something is acknowledged.
func writes(dir string) func(call) bool {
	return func(c call) bool {
		switch {
		case c.result < 0 || strings.Contains(c.text, "/_locks/"):
			return false // which lock files are there already depends on random names
		case c.name == "openat":
			return strings.Contains(c.text, "O_CREAT")
		case c.name == "write" && strings.Contains(c.text, `"HTTP/1.1 `):
			return true
		}
		return len(c.paths) > 0 && strings.HasPrefix(c.paths[0], dir)
	}
}

// TestAServerThatIsKilledBehindAnyWriteLosesNothing runs a server for each write of each change, kills it
// behind that write, opens the store, verifies S1 to S6 and all that was acknowledged, starts a
// server again, and does the change once more, which must succeed.
func TestAServerThatIsKilledBehindAnyWriteLosesNothing(t *testing.T) {
	t.Parallel()
	needRoot(t)
	// A kill takes nothing from the page cache, so the store may as well lie in memory. It uses a few
	// megabytes; storage.min_free wants more to be there.
	prepared := prepare(t, mountMemory(t, "2g"))
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := killBehind(t, prepared, c, 0)
			if len(calls) < 5 {
				t.Fatalf("an undisturbed run makes %d writes, want more: %s", len(calls), calls)
			}
			for n := range calls {
				t.Run(fmt.Sprintf("write %d of %d, %s", n+1, len(calls), calls[n].name), func(t *testing.T) {
					t.Parallel()
					killBehind(t, prepared, c, n+1)
				})
			}
		})
	}
}

// killBehind does a change on a copy of a store with a server that is killed behind its n-th write, or
// never if n is 0, and returns the writes.
func killBehind(t *testing.T, prepared string, c change, n int) []call {
	t.Helper()
	s := serveIn(t, copyStore(t, prepared))
	w := newWire(t, s)
	calls, held, done := stepper{kinds: writeCalls, counts: writes(s.dir), n: n}.run(t, s, func() error { return c.do(w) })
	_ = s.process.cmd.Process.Kill()
	if err := <-done; err != nil && !held {
		t.Fatalf("undisturbed: %v", err)
	}
	// When the last answer is there strace may not have told yet how it was written.
	if len(calls) < n-1 {
		t.Fatalf("it made %d writes, want %d", len(calls), n)
	}
	<-s.process.done

	standing := slices.Concat(untouched, c.standing)
	verify(t, s.dir, c, slices.Concat(standing, w.acknowledged))
	again := serveIn(t, s.dir)
	w = newWire(t, again)
	if err := c.do(w); err != nil && !(c.removes && httpapitest.Refused(err, 404)) {
		t.Errorf("done once more: %v", err)
	}
	if err := w.pull(other, one, tagOne); err != nil {
		t.Errorf("pull of what was there: %v", err)
	}
	_ = again.process.cmd.Process.Kill()
	<-again.process.done
	verify(t, s.dir, c, slices.Concat(standing, w.acknowledged))
	if t.Failed() && n > 0 {
		t.Logf("killed behind %s", calls[len(calls)-1])
	}
	return calls
}

func verify(t *testing.T, dir string, c change, facts []registrytest.Fact) {
	t.Helper()
	if dangling := checkStore(t, dir, facts...); !c.removes && len(dangling) > 0 {
		t.Errorf("S2: what is gone is named by\n  %s", strings.Join(dangling, "\n  "))
	}
}

// copyStore makes a copy of a store beside it, for the time of a test.
func copyStore(t *testing.T, from string) string {
	t.Helper()
	to, err := os.MkdirTemp(filepath.Dir(from), "copy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(to) })
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
