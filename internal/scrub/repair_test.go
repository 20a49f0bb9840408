package scrub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
)

func TestACorruptBlobThatWasMovedAsideIsHealedByTheNextPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	d := digest("layer one")
	w.flip(blobKey(d))
	bad := w.read(blobKey(d))
	w.verify(scrub.Options{Repair: true})
	if _, err := w.reg.StatBlob(t.Context(), app, d); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("got %v, want it absent, so that a client sends it again", err)
	}
	if w.contents()[bad] != 1 {
		t.Errorf("what was moved aside lies there %d times, want once", w.contents()[bad])
	}
	w.pushBlob(app, "layer one")
	w.wantCodes(w.verify(scrub.Options{}), scrub.CodeMovedAside)
	w.check(registrytest.BlobIs(app, "layer one"))
}

func TestACorruptManifestThatWasMovedAsideIsHealedByTheNextPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	d := imageOne.Digest
	w.flip(revisionKey(app, d))
	w.verify(scrub.Options{Repair: true})
	for _, ref := range []oci.Reference{{Digest: d}, {Tag: v1}} {
		if _, err := w.reg.GetManifest(t.Context(), app, ref); !errors.Is(err, registry.ErrManifestUnknown) {
			t.Errorf("%s: got %v, want it absent", ref, err)
		}
	}
	w.pushImage(app, "one")
	w.wantCodes(w.verify(scrub.Options{}), scrub.CodeMovedAside)
	w.check(registrytest.ManifestIs(app, imageOne.Text), registrytest.TagIs(app, v1, d))
}

func TestADamagedTagTakesNoPushesUntilItIsMovedAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	w.write(tagKey(app, v1), "{")
	push := func() error { return w.pusher().PushManifest(t.Context(), app, imageOne.Content, v1) }
	if push() == nil {
		t.Fatal("got success over a record that cannot be read")
	}
	w.verify(scrub.Options{Repair: true})
	if err := push(); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// TestARepairOpensNoBlobOfAnotherNamespace is S3: where missing references are allowed, a manifest may name
// anything. A repair that believed it would give out what others hold.
func TestARepairOpensNoBlobOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	config := registry.DefaultConfig()
	config.MissingReferences = "allow"
	w := openWorld(t, inMemory(t), nil, config)
	w.must(w.reg.Maintenance().Create(t.Context()))
	private := w.pushBlob(other, "layer private")
	w.pushBlob(other, "config private")
	thief := ocitest.Image("private")
	w.must(w.pusher().PushManifest(t.Context(), app, thief.Content, v1))
	// Also by the record of a store that does not tell what was missing.
	old := strings.Replace(w.read(revisionKey(app, thief.Digest)), `"missing":[`, `"forgotten":[`, 1)
	for _, record := range []string{w.read(revisionKey(app, thief.Digest)), old} {
		w.write(revisionKey(app, thief.Digest), record)
		w.verify(scrub.Options{Repair: true})
		if _, err := w.reg.OpenBlob(t.Context(), app, private); !errors.Is(err, registry.ErrBlobUnknown) {
			t.Errorf("got %v, want the blob of another namespace absent; the record is %q", err, record)
		}
	}
	w.check(registrytest.BlobIs(other, "layer private"))
}

func TestARepairGivesNoBlobBackThatAClientDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pushAll()
	d := digest("layer one")
	w.must(w.reg.DeleteBlob(t.Context(), app, d, "somebody"))
	// Its trash entry is gone: the collector has emptied the trash.
	for entry, err := range w.store.List(t.Context(), "_deleted", storage.ListOptions{Deep: true}) {
		w.must(err)
		w.remove("_deleted/" + entry.Name)
	}
	w.wantCodes(w.verify(scrub.Options{Repair: true}), scrub.CodeNoLink)
	if _, err := w.reg.OpenBlob(t.Context(), app, d); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("got %v, want it absent", err)
	}
	if w.reg.Maintenance().Relink(t.Context(), app, imageOne.Digest, d) == nil {
		t.Error("the link was given back")
	}
}

// meddling is a Store that does something once, just before a step.
type meddling struct {
	storage.Store
	before func(step, key string)
}

func (m *meddling) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	m.before("put", key)
	return m.Store.Put(ctx, key, data, opts)
}

func (m *meddling) Stat(ctx context.Context, key string) (storage.Info, error) {
	m.before("stat", key)
	return m.Store.Stat(ctx, key)
}

func (m *meddling) Condemn(ctx context.Context, key string) error {
	m.before("condemn", key)
	return m.Store.Condemn(ctx, key)
}

func (m *meddling) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	m.before("destroy", key)
	return m.Store.Destroy(ctx, key, opts)
}

// meddle opens a world whose store does something before the n-th step of a repair, for all n.
func meddle(t *testing.T, prepare, between func(w *world), after func(w *world, where string)) {
	t.Helper()
	everywhere(t, func(t *testing.T, at func(*testing.T) opener, every int) {
		for n := 1; ; n += every {
			w := openWorld(t, at(t), nil, registry.DefaultConfig())
			prepare(w)
			where := meddleAt(w, n, between)
			if where == "" {
				return
			}
			after(w, where)
			if t.Failed() {
				t.Fatalf("it broke %s", where)
			}
		}
	})
}

// meddleAt repairs, and says before which step it did something; nothing if there are fewer.
func meddleAt(w *world, n int, between func(w *world)) (where string) {
	w.t.Helper()
	steps, busy := 0, false
	beside := openWorld(w.t, w.at, func(s storage.Store) storage.Store {
		return &meddling{Store: s, before: func(step, key string) {
			if busy {
				return
			}
			if steps++; steps == n {
				busy = true // what the other one does is no step
				where = fmt.Sprintf("before step %d, %s %s", n, step, key)
				between(w)
				busy = false
			}
		}}
	}, registry.DefaultConfig())
	steps = 0
	if _, err := scrub.Run(w.t.Context(), beside.reg.Maintenance(), scrub.Options{Repair: true}); err != nil {
		w.t.Fatalf("%s: %v", where, err)
	}
	return where
}

func TestADeleteInTheMiddleOfARelinkWins(t *testing.T) {
	t.Parallel()
	d := digest("layer one")
	meddle(t,
		func(w *world) {
			w.pushImage(app, "one", v1)
			w.remove(linkKey(app, d))
		},
		func(w *world) { // a client pushes the blob, and deletes it
			w.pushBlob(app, "layer one")
			w.must(w.reg.DeleteBlob(w.t.Context(), app, d, "somebody"))
		},
		func(w *world, where string) {
			if _, err := w.reg.OpenBlob(w.t.Context(), app, d); !errors.Is(err, registry.ErrBlobUnknown) {
				w.t.Errorf("%s: got %v, want what was deleted absent", where, err)
			}
		})
}

func TestAPushInTheMiddleOfARelinkStays(t *testing.T) {
	t.Parallel()
	d := digest("layer one")
	meddle(t,
		func(w *world) {
			w.pushImage(app, "one", v1)
			w.must(w.reg.DeleteBlob(w.t.Context(), app, d, "somebody"))
		},
		func(w *world) { w.pushBlob(app, "layer one") },
		func(w *world, where string) { w.check(registrytest.BlobIs(app, "layer one")) })
}

func TestAPushInTheMiddleOfMovingAsideStays(t *testing.T) {
	t.Parallel()
	meddle(t,
		func(w *world) {
			w.pushImage(app, "one", v1)
			w.flip(blobKey(digest("layer one")))
			w.flip(revisionKey(app, imageOne.Digest))
		},
		func(w *world) { w.pushImage(app, "one", v1) },
		func(w *world, where string) {
			w.check(registrytest.BlobIs(app, "layer one"), registrytest.ManifestIs(app, imageOne.Text),
				registrytest.TagIs(app, v1, imageOne.Digest))
		})
}

func TestADeleteInTheMiddleOfARebuiltReferrerWins(t *testing.T) {
	t.Parallel()
	subject := imageOne.Digest
	meddle(t,
		func(w *world) {
			w.pushImage(app, "one")
			w.push(app, sbomOfOne)
			w.remove(referrerKey(app, subject, sbomOfOne.Digest))
		},
		func(w *world) { w.must(w.reg.DeleteManifest(w.t.Context(), app, sbomOfOne.Digest, "somebody")) },
		func(w *world, where string) {
			w.check(registrytest.NoManifest(app, sbomOfOne.Digest), registrytest.NoReferrer(app, subject, sbomOfOne.Digest))
		})
}

// TestARepairCutAtEveryStepIsFinishedByTheNext cuts a repair of everything at once.
func TestARepairCutAtEveryStepIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, at func(*testing.T) opener, every int) {
		for n, more := 1, true; more && !t.Failed(); n += every {
			more = cutRepairAt(openWorld(t, at(t), nil, registry.DefaultConfig()), n)
		}
	})
}

// cutRepairAt says whether a repair has so many steps.
func cutRepairAt(w *world, n int) bool {
	w.t.Helper()
	w.pushAll()
	w.flip(blobKey(digest("layer one")))
	w.flip(revisionKey(app, imageTwo.Digest))
	w.write(tagKey(app, v1), "{")
	w.remove(linkKey(app, digest("config one")))
	w.remove(referrerKey(app, imageOne.Digest, sbomOfOne.Digest))
	w.remove("_namespaces/team.~app")
	before := w.contents()
	in := faulty.NewInjector(faulty.Plan{CutAt: n})
	cut := openWorld(w.t, w.at, func(s storage.Store) storage.Store { return faulty.New(s, in) }, registry.DefaultConfig())
	_, err := scrub.Run(w.t.Context(), cut.reg.Maintenance(), scrub.Options{Repair: true})
	if in.Broken() && !errors.Is(err, faulty.ErrCut) {
		w.t.Errorf("cut at step %d: got %v, want %v", n, err, faulty.ErrCut)
	}
	w.verify(scrub.Options{Repair: true, Restart: true})
	report := w.verify(scrub.Options{})
	want := []scrub.Code{scrub.CodeDanglingLink, scrub.CodeNoBytes, scrub.CodeNoChild}
	for range report.Counts[scrub.Note] {
		want = append(want, scrub.CodeMovedAside)
	}
	if notes := report.Counts[scrub.Note]; notes < 3 {
		w.t.Errorf("cut at step %d: %d things lie aside, want at least 3", n, notes)
	}
	w.wantCodes(report, want...)
	w.nothingLost(before)
	w.pushAll()
	if dangling := w.check(); len(dangling) > 0 {
		w.t.Errorf("cut at step %d: after everything was pushed again, what is gone is named by\n%s", n, strings.Join(dangling, "\n"))
	}
	return in.Broken()
}
