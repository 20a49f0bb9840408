package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

// remote is a folder that behaves as a service does: no look tells whether something has changed.
type remote struct {
	storage.Store
	unconditional bool
	reads         atomic.Int64
}

func (d *remote) Features() storage.Features {
	return storage.Features{ConditionalWrites: !d.unconditional, Service: true}
}

func (d *remote) Get(ctx context.Context, key string) (storage.Value, error) {
	d.reads.Add(1)
	value, err := d.Store.Get(ctx, key)
	value.Settled = false
	return value, err
}

// newInstance is a Registry of its own over a folder that is far away, with pulls from memory.
func newInstance(t *testing.T, root opener, now func() time.Time) (*world, *remote) {
	t.Helper()
	s := &remote{Store: root(t)}
	t.Cleanup(func() { s.Close() })
	w := openWorld(t, s, func(o *registry.Options) { o.MetadataTTL, o.Now = time.Minute, now })
	w.must(w.reg.Maintenance().Create(t.Context()))
	return w, s
}

func TestWhatAnotherInstanceChangedIsSeenWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	var seconds atomic.Int64
	now := func() time.Time { return time.Unix(seconds.Load(), 0) }
	folder := inFolder(t)
	if err := folder(t).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, _ := newInstance(t, folder, now)
	two, far := newInstance(t, folder, now)
	one.must(one.pushImage(app, "one", tagV1), one.pushImage(app, "two"))
	two.wantPull(tagV1, imageOne.Digest)

	one.must(one.pushManifest(app, imageTwo.Content, tagV1))
	one.wantPull(tagV1, imageTwo.Digest)
	far.reads.Store(0)
	seconds.Store(59)
	two.wantPull(tagV1, imageOne.Digest)
	if reads := far.reads.Load(); reads != 0 {
		t.Errorf("a pull from memory read %d times, want never", reads)
	}
	seconds.Store(60)
	two.wantPull(tagV1, imageTwo.Digest)

	// Nothing that is promised comes from memory, and neither does the word that something is not there.
	one.must(one.reg.DeleteManifest(one.ctx, app, imageOne.Digest, "bob"))
	var missing *registry.MissingError
	if err := two.pushManifest(app, indexOfOne.Content); !errors.As(err, &missing) {
		t.Errorf("an index of what another instance deleted: %v, want a MissingError", err)
	}
	if _, err := two.pull(tagBig); !errors.Is(err, registry.ErrManifestUnknown) {
		t.Errorf("pull of no tag: %v", err)
	}
	one.must(one.pushManifest(app, imageTwo.Content, tagBig))
	two.wantPull(tagBig, imageTwo.Digest)
}

// TestABlobThatAnotherInstanceDeletedIsPulledForAWhile: and is never promised meanwhile.
func TestABlobThatAnotherInstanceDeletedIsPulledForAWhile(t *testing.T) {
	t.Parallel()
	var seconds atomic.Int64
	now := func() time.Time { return time.Unix(seconds.Load(), 0) }
	folder := inFolder(t)
	if err := folder(t).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, _ := newInstance(t, folder, now)
	two, far := newInstance(t, folder, now)
	third, err := oci.ParseName("team/third")
	one.must(err, one.pushBlob(app, "shared"), one.pushBlob(other, "shared"))
	d := ocitest.DigestOf("shared")
	two.must(two.pullBlob(app, d))

	one.must(one.reg.DeleteBlob(one.ctx, app, d, "bob"))
	far.reads.Store(0)
	seconds.Store(59)
	two.must(two.pullBlob(app, d))
	if reads := far.reads.Load(); reads != 0 {
		t.Errorf("a pull from memory read %d times, want never", reads)
	}
	var missing *registry.MissingError
	if err := two.pushManifest(app, ocitest.ImageOf(ocitest.Config("shared")).Content); !errors.As(err, &missing) {
		t.Errorf("a manifest of what another instance deleted: %v, want a MissingError", err)
	}
	for what, err := range map[string]error{
		"HEAD":                  second(two.reg.StatBlob(two.ctx, app, d)),
		"mount":                 two.reg.MountBlob(two.ctx, third, app, d),
		"pull elsewhere":        two.pullBlob(third, d),
		"delete":                two.reg.DeleteBlob(two.ctx, app, d, "bob"),
		"pull by who deleted":   one.pullBlob(app, d),
		"again by who deleted":  one.pullBlob(app, d),
		"pull of another again": two.pullBlob(third, d),
	} {
		if !errors.Is(err, registry.ErrBlobUnknown) {
			t.Errorf("%s: %v, want %v", what, err, registry.ErrBlobUnknown)
		}
	}
	two.must(two.pullBlob(other, d))
	seconds.Store(60)
	if err := two.pullBlob(app, d); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("pull when the time is over: %v, want %v", err, registry.ErrBlobUnknown)
	}
	// That something is not there is never remembered.
	one.must(one.pushBlob(app, "shared"))
	two.must(two.pullBlob(app, d))
}

func TestWhatAnInstanceDeletedItShowsToNobody(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	if err := folder(t).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, _ := newInstance(t, folder, nil)
	for _, remove := range []func() error{
		func() error { return w.reg.DeleteTag(w.ctx, app, tagV1, "bob") },
		func() error { return w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "bob") },
	} {
		w.must(w.pushImage(app, "one", tagV1))
		w.wantPull(tagV1, imageOne.Digest)
		w.must(remove())
		if got, err := w.pull(tagV1); !errors.Is(err, registry.ErrManifestUnknown) {
			t.Errorf("pull of what was deleted = %s, %v", got, err)
		}
	}
	if _, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Digest: imageOne.Digest}); !errors.Is(err, registry.ErrManifestUnknown) {
		t.Errorf("pull by the digest of what was deleted: %v", err)
	}
	w.must(w.pushBlob(app, "blob"))
	d := ocitest.DigestOf("blob")
	w.must(w.pullBlob(app, d), w.reg.DeleteBlob(w.ctx, app, d, "bob"))
	if err := w.pullBlob(app, d); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("pull of a blob that was deleted: %v, want %v", err, registry.ErrBlobUnknown)
	}
}

// TestAnAcknowledgedWriteIsNeverHidden: readers that began before a push remember what they found, and
// whoever comes after its answer sees it all the same.
func TestAnAcknowledgedWriteIsNeverHidden(t *testing.T) {
	t.Parallel()
	const pushes, readers = 60, 4
	folder := inFolder(t)
	if err := folder(t).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	w, _ := newInstance(t, folder, nil)
	w.must(w.pushImage(app, "one"))
	order := map[oci.Digest]int64{}
	manifests := make([]ocitest.Manifest, pushes)
	for i := range manifests {
		manifests[i] = imageOne.Note(fmt.Sprint(i))
		order[manifests[i].Digest] = int64(i)
	}
	push := func(i int) {
		if err := w.pushManifest(app, manifests[i].Content, tagV1); err != nil {
			t.Error(err)
		}
	}
	push(0)
	var acknowledged atomic.Int64
	done := make(chan struct{})
	var work sync.WaitGroup
	for range readers {
		work.Go(func() { // ends with done
			for {
				select {
				case <-done:
					return
				default:
				}
				least := acknowledged.Load()
				got, err := w.pull(tagV1)
				if err != nil || order[got] < least {
					t.Errorf("pull = push %d, %v, and push %d was acknowledged before", order[got], err, least)
					return
				}
			}
		})
	}
	for i := 1; i < pushes; i++ {
		push(i)
		acknowledged.Store(int64(i))
	}
	close(done)
	work.Wait()
}

func TestTwoProcessesSeeEachOthersWritesAtOnce(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	a, b := newWorld(t, folder), newWorld(t, folder)
	for i := range 20 {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		name := fmt.Sprint("image ", i)
		from.acknowledged = nil
		facts := from.must(from.pushImage(app, name, tagV1, tagBig))
		for _, fact := range facts {
			if err := fact.Holds(t.Context(), to.reg); err != nil {
				t.Fatalf("round %d: %s: %v", i, fact.Name, err)
			}
		}
		from.must(from.reg.DeleteTag(t.Context(), app, tagBig, ""))
		from.must(from.reg.DeleteManifest(t.Context(), app, ocitest.Image(name).Digest, ""))
		for _, fact := range []registrytest.Fact{registrytest.NoTag(app, tagV1), registrytest.NoTag(app, tagBig), registrytest.NoManifest(app, ocitest.Image(name).Digest)} {
			if err := fact.Holds(t.Context(), to.reg); err != nil {
				t.Fatalf("round %d, after the delete: %s: %v", i, fact.Name, err)
			}
		}
	}
}
