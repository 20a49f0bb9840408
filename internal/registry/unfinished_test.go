package registry_test

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
)

// TestAKilledDeleteKeepsTheImmutableTag pushes an immutable tag before each step of a delete by digest, which is then
// killed, or fails, at each of its writing steps. Nobody replaces the tag; and when collectors have run it stands for its
// image, whose manifest and blobs are there. A collector runs at once, or when all its ages are over.
func TestAKilledDeleteKeepsTheImmutableTag(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]func(n int) faulty.Plan{
		"killed before a step": func(n int) faulty.Plan { return faulty.Plan{CutAt: n} },
		"fails before a step":  func(n int) faulty.Plan { return faulty.Plan{FailAt: n} },
		"fails after a step":   func(n int) faulty.Plan { return faulty.Plan{FailAfter: n} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at, steps := 1, 1; at <= steps; at++ {
				for n, more := 1, true; more; n++ {
					more = killWithin(t, at, plan(n), &steps)
					if t.Failed() {
						t.Fatalf("with a push before step %d of %d, and the delete broken %+v", at, steps, plan(n))
					}
				}
			}
		})
	}
}

// killWithin breaks a delete that has a push before one of its steps, and says whether the plan was reached.
func killWithin(t *testing.T, at int, plan faulty.Plan, steps *int) (reached bool) {
	t.Helper()
	stores := newSharedStore(t, inMemory(t))
	client := openWorld(t, stores.open(), immutable)
	client.must(client.pushImage(app, "one"), client.pushImage(app, "two"))
	in := faulty.NewInjector(plan)
	step, acknowledged := -1000, false // opening reads the format
	deleter := openWorld(t, &hooked{Store: faulty.New(stores.open(), in), before: func() {
		if step++; step == at {
			acknowledged = registrytest.Pusher{To: client.reg}.PushManifest(t.Context(), app, imageOne.Content, tagV1) == nil
		}
	}}, immutable)
	step = 0
	err := deleter.reg.DeleteManifest(t.Context(), app, imageOne.Digest, "")
	*steps = max(*steps, step)
	if !acknowledged {
		return in.Broken()
	}
	var refused *registry.ImmutableTagError
	if err := client.pushManifest(app, imageTwo.Content, tagV1); !errors.As(err, &refused) {
		t.Errorf("a push of another image over %s: got %v, want that it is immutable", tagV1, err)
	}
	collector := newCollector(t, stores.open(), immutable)
	for run := range 4 {
		collector.run()
		client.check(registrytest.ImageIs(app, imageOne, tagV1)...)
		if t.Failed() {
			t.Errorf("after %d runs; the delete answered %v", run+1, err)
		}
	}
	for d, err := range client.reg.Maintenance().Markers(t.Context(), app) {
		t.Errorf("the marker of %s is left (%v)", d, err)
	}
	return in.Broken()
}

// TestATagThatNobodyDeletedIsNotFinishedOff: its manifest is gone, and no trash entry says that somebody deleted it.
func TestATagThatNobodyDeletedIsNotFinishedOff(t *testing.T) {
	t.Parallel()
	stores := newSharedStore(t, inMemory(t))
	w := stores.world()
	w.must(w.pushImage(app, "one", tagV1), w.pushImage(app, "two"), w.store.Delete(w.ctx, revisionOne.Key(), storage.DeleteOptions{}))
	newCollector(t, stores.open()).run()
	if _, err := w.reg.Maintenance().Tag(w.ctx, app, tagV1); err != nil {
		t.Errorf("the tag: %v, want it as it was", err)
	}
}
