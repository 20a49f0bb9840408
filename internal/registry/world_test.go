package registry_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

var (
	app    = ocitest.Name("team/app")
	other  = ocitest.Name("other")
	tagV1  = ocitest.Tag("v1")
	tagBig = ocitest.Tag("LATEST")

	imageOne, imageTwo = ocitest.Image("one"), ocitest.Image("two")
	indexOfOne         = ocitest.Index(imageOne)
	sbomOfOne          = ocitest.SBOM(imageOne)
)

// world is a Registry that an operation works on, and what it has acknowledged.
type world struct {
	t            *testing.T
	ctx          context.Context
	reg          *registry.Registry
	store        storage.Store
	acknowledged []registrytest.Fact
}

func (w *world) subject() registrytest.Subject {
	return registrytest.Subject{Registry: w.reg, Blobs: w.store, Metadata: w.store}
}

// ack notes what holds when there was no error.
func (w *world) ack(err error, facts ...registrytest.Fact) error {
	if err == nil {
		w.acknowledged = append(w.acknowledged, facts...)
	}
	return err
}

// must ends the test on an error of a preparation, and returns what was acknowledged so far.
func (w *world) must(errs ...error) []registrytest.Fact {
	w.t.Helper()
	for _, err := range errs {
		if err != nil {
			w.t.Fatalf("prepare: %v", err)
		}
	}
	return w.acknowledged
}

// pusher notes what was acknowledged.
func (w *world) pusher() registrytest.Pusher {
	note := func(facts ...registrytest.Fact) { w.acknowledged = append(w.acknowledged, facts...) }
	return registrytest.Pusher{To: w.reg, By: "somebody", Acknowledged: note}
}

func (w *world) pushBlob(ns oci.Name, content string) error {
	return w.pusher().PushBlob(w.ctx, ns, ocitest.Layer(content))
}

func (w *world) pushManifest(ns oci.Name, m ocitest.Content, tags ...oci.Tag) error {
	return w.pusher().PushManifest(w.ctx, ns, m, tags...)
}

// pushImage pushes the image of a name with its config and layer.
func (w *world) pushImage(ns oci.Name, name string, tags ...oci.Tag) error {
	return w.pusher().Push(w.ctx, ns, ocitest.Image(name), tags...)
}

// condemnAll does what a collector does that finds nothing needed. What was acknowledged before it may
// go from then on.
func (w *world) condemnAll() {
	w.t.Helper()
	var keys []string
	for entry, err := range w.store.List(w.ctx, "", storage.ListOptions{Deep: true}) {
		w.must(err)
		if entry.Name != "_format" {
			keys = append(keys, entry.Name)
		}
	}
	for _, key := range keys {
		w.must(w.store.Condemn(w.ctx, key))
	}
	w.acknowledged = nil
}

// condemnContent does what a collector does that finds no manifest, link and blob needed.
func (w *world) condemnContent() {
	w.t.Helper()
	var keys []string
	for entry, err := range w.store.List(w.ctx, "", storage.ListOptions{Deep: true}) {
		w.must(err)
		if isContent(entry.Name) {
			keys = append(keys, entry.Name)
		}
	}
	for _, key := range keys {
		w.must(w.store.Condemn(w.ctx, key))
	}
	w.acknowledged = nil
}

func isContent(key string) bool {
	return strings.Contains(key, "/_manifests/revisions/") || strings.Contains(key, "/_layers/") || strings.HasPrefix(key, "_blobs/")
}

func chunkOf(content string) registry.Chunk {
	return registry.Chunk{Body: strings.NewReader(content), Start: -1}
}

// openWorld opens a Registry of its own on a store: to the others on it, another process.
func openWorld(t *testing.T, store storage.Store, set ...func(*registry.Options)) *world {
	t.Helper()
	opts := registry.Options{Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig()}
	for _, one := range set {
		one(&opts)
	}
	reg, err := registry.New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, ctx: t.Context(), reg: reg, store: store}
}

// newWorld is openWorld for a store that need not have been created.
func newWorld(t *testing.T, at opener, set ...func(*registry.Options)) *world {
	t.Helper()
	store := at(t)
	t.Cleanup(func() { store.Close() })
	if err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := openWorld(t, store, set...)
	w.must(w.reg.Maintenance().Create(t.Context()))
	return w
}

func immutable(o *registry.Options) { o.Config.ImmutableTags.Enabled = true }

func readOnly(o *registry.Options) { o.Config.ReadOnly = true }

func (w *world) check(facts ...registrytest.Fact) (dangling []string) {
	w.t.Helper()
	return registrytest.Check(w.t, w.subject(), facts...)
}

// atOnce runs n calls, all released at the same moment, and waits for them.
func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}

func (w *world) deleteManifest(ns oci.Name, d oci.Digest) {
	w.t.Helper()
	w.must(w.reg.DeleteManifest(w.ctx, ns, d, "bob"))
}

func (w *world) deleteTag(tag oci.Tag) {
	w.t.Helper()
	w.must(w.reg.DeleteTag(w.ctx, app, tag, "bob"))
}

func (w *world) deleteBlob(content string) {
	w.t.Helper()
	w.must(w.reg.DeleteBlob(w.ctx, app, ocitest.DigestOf(content), "bob"))
}

func (w *world) pull(tag oci.Tag) (oci.Digest, error) {
	m, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Tag: tag})
	if err != nil {
		return oci.Digest{}, err
	}
	return m.Digest, nil
}

func (w *world) wantPull(tag oci.Tag, want oci.Digest) {
	w.t.Helper()
	if got, err := w.pull(tag); got != want || err != nil {
		w.t.Errorf("pull of %s = %s, %v, want %s", tag, got, err, want)
	}
}

func (w *world) pullBlob(ns oci.Name, d oci.Digest) error {
	blob, err := w.reg.LocateBlob(w.ctx, ns, d, time.Time{})
	if err == nil && blob.Content != nil {
		err = blob.Content.Close()
	}
	return err
}

func second[T any](_ T, err error) error { return err }
