package scrub_test

import (
	"os"
	"slices"
	"testing"
	"time"

	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

var (
	app   = ocitest.Name("team/app")
	other = ocitest.Name("other")
	v1    = ocitest.Tag("v1")

	imageOne, imageTwo = ocitest.Image("one"), ocitest.Image("two")
	sbomOfOne          = ocitest.SBOM(imageOne)
)

// world is a registry on a store, into which a test reaches with its own hands.
type world struct {
	t     *testing.T
	at    opener
	store storage.Store
	reg   *registry.Registry
}

// opener opens one store, as one more process.
type opener func(t *testing.T) storage.Store

func inMemory(*testing.T) opener {
	s := memory.New(memory.Options{})
	return func(*testing.T) storage.Store { return s }
}

func inFolder(t *testing.T) opener {
	t.Helper()
	return inFolderAt(t.TempDir())
}

func inFolderAt(root string) opener {
	return func(t *testing.T) storage.Store {
		t.Helper()
		s, err := fs.New(fs.Config{Root: root}, fs.Options{})
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

// everywhere proves something in memory at every step, and in folders at every seventh, or all in the slow set.
func everywhere(t *testing.T, prove func(t *testing.T, at func(*testing.T) opener, every int)) {
	t.Helper()
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		prove(t, inMemory, 1)
	})
	t.Run("in folders", func(t *testing.T) {
		t.Parallel()
		if os.Getenv("SREG_TEST_ALL") == "1" {
			prove(t, inFolder, 1)
			return
		}
		prove(t, inFolder, 7)
	})
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return openWorld(t, inMemory(t), nil, registry.DefaultConfig())
}

// openWorld opens a store, as another process would. Wrap may stand between the registry and the store.
func openWorld(t *testing.T, at opener, wrap func(storage.Store) storage.Store, config registry.Config) *world {
	t.Helper()
	w := &world{t: t, at: at, store: at(t)}
	if wrap != nil {
		w.store = wrap(w.store)
	}
	var err error
	w.reg, err = registry.New(t.Context(), registry.Options{
		Blobs: w.store, Metadata: w.store, Locks: lockmemory.New(), Config: config, Now: time.Now,
	})
	w.must(err)
	if wrap == nil {
		w.must(w.reg.Maintenance().Create(t.Context()))
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pusher() registrytest.Pusher { return registrytest.Pusher{To: w.reg, By: "somebody"} }

func (w *world) pushBlob(ns oci.Name, content string) oci.Digest {
	w.t.Helper()
	blob := ocitest.Layer(content)
	w.must(w.pusher().PushBlob(w.t.Context(), ns, blob))
	return blob.Digest
}

// push pushes a manifest, with its blobs but without its children.
func (w *world) push(ns oci.Name, m ocitest.Manifest, tags ...oci.Tag) oci.Digest {
	w.t.Helper()
	m.Children = nil
	w.must(w.pusher().Push(w.t.Context(), ns, m, tags...))
	return m.Digest
}

// pushImage pushes the image of a name with its config and layer.
func (w *world) pushImage(ns oci.Name, name string, tags ...oci.Tag) oci.Digest {
	w.t.Helper()
	return w.push(ns, ocitest.Image(name), tags...)
}

func digest(content string) oci.Digest { return ocitest.DigestOf(content) }

// The keys of objects, spelled out once more: a mistake in the code that builds keys does not repeat
// itself here.
func blobKey(d oci.Digest) string { return "_blobs/sha256/" + d.Hex()[:2] + "/" + d.Hex() }

func linkKey(ns oci.Name, d oci.Digest) string { return ns.String() + "/_layers/sha256/" + d.Hex() }

func revisionKey(ns oci.Name, d oci.Digest) string {
	return ns.String() + "/_manifests/revisions/sha256/" + d.Hex()
}

func tagKey(ns oci.Name, tag oci.Tag) string {
	return ns.String() + "/_manifests/tags/" + tag.String()
}

func referrerKey(ns oci.Name, subject, referrer oci.Digest) string {
	return ns.String() + "/_manifests/referrers/sha256/" + subject.Hex() + "/sha256-" + referrer.Hex()
}

func (w *world) write(key, content string) {
	w.t.Helper()
	_, err := w.store.Put(w.t.Context(), key, []byte(content), storage.PutOptions{})
	w.must(err)
}

func (w *world) read(key string) string {
	w.t.Helper()
	value, err := w.store.Get(w.t.Context(), key)
	w.must(err)
	return string(value.Data)
}

func (w *world) remove(key string) {
	w.t.Helper()
	w.read(key) // it must be there
	w.must(w.store.Delete(w.t.Context(), key, storage.DeleteOptions{}))
}

// flip changes one byte at the end of an object.
func (w *world) flip(key string) {
	w.t.Helper()
	content := []byte(w.read(key))
	content[len(content)-1] ^= 1
	w.write(key, string(content))
}

// verify runs it and fails the test if it fails.
func (w *world) verify(opts scrub.Options) *scrub.Report {
	w.t.Helper()
	opts.Concurrency = 4
	report, err := scrub.Run(w.t.Context(), w.reg.Maintenance(), opts)
	w.must(err)
	return report
}

// codes are what was found and is not repaired, sorted.
func codes(report *scrub.Report) []scrub.Code {
	codes := []scrub.Code{}
	for _, f := range report.Findings {
		if f.Repaired == "" {
			codes = append(codes, f.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

// wantCodes compares what remains with what is expected.
func (w *world) wantCodes(report *scrub.Report, want ...scrub.Code) {
	w.t.Helper()
	slices.Sort(want)
	if got := codes(report); !slices.Equal(got, want) {
		w.t.Errorf("got %v, want %v", got, want)
		for _, f := range report.Findings {
			w.t.Logf("%s %s %s: %s; %s; repaired %q; problem %q", f.Severity, f.Code, f.Key, f.Means, f.Do, f.Repaired, f.Problem)
		}
	}
}

// check verifies S1 to S6 and returns what names something that is gone.
func (w *world) check(facts ...registrytest.Fact) []string {
	w.t.Helper()
	return registrytest.Check(w.t, registrytest.Subject{Registry: w.reg, Blobs: w.store, Metadata: w.store}, facts...)
}

// contents are all bytes that lie in the store, by what they are, and in how many objects.
func (w *world) contents() map[string]int {
	w.t.Helper()
	all := map[string]int{}
	for entry, err := range w.store.List(w.t.Context(), "", storage.ListOptions{Deep: true}) {
		w.must(err)
		all[w.read(entry.Name)]++
	}
	for condemnation, err := range w.store.Condemned(w.t.Context(), "") {
		w.must(err)
		all[w.read(condemnation.Key)]++
	}
	for draft, err := range w.store.Drafts(w.t.Context(), "") {
		w.must(err)
		all[string(draft.Data)]++
	}
	return all
}
