package registry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

// blobPromises are answers about a blob that no manifest names yet.
var blobPromises = map[string]func(w *world) error{
	"a mount":   func(w *world) error { return w.reg.MountBlob(w.ctx, app, other, ocitest.DigestOf("shared")) },
	"an upload": func(w *world) error { return w.pushBlob(app, "shared") },
	"a HEAD": func(w *world) error {
		_, err := w.reg.StatBlob(w.ctx, app, ocitest.DigestOf("shared"))
		return err
	},
}

// TestABlobThatWasPromisedIsReadable though a collector works beside the answer: it has run twice, without ages, before
// any one step; or it had the blob on its list before one step, and acts before another one or after the answer, and
// then the blob stays until gc.grace.
func TestABlobThatWasPromisedIsReadable(t *testing.T) {
	t.Parallel()
	for name, do := range blobPromises {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for look, steps := 1, 1; look <= steps; look++ {
				steps = max(steps, answerBeside(t, name != "a mount", do, func(step int, stores *sharedStore) func() {
					if step == look {
						collector := newCollector(t, stores.open())
						collector.run()
						collector.run()
					}
					return func() {}
				}))
				for act := look; act <= steps+1; act++ {
					var collector *collector
					answerBeside(t, name != "a mount", do, func(step int, stores *sharedStore) func() {
						if step == look {
							collector = newPatientCollector(t, stores.open(), 2*time.Hour)
							collector.look()
						}
						if step == act && collector != nil {
							collector.act()
						}
						return func() {
							if collector != nil {
								collector.act()
							}
						}
					})
				}
				if t.Failed() {
					t.Fatalf("with the collector at work before step %d of %d", look, steps)
				}
			}
		})
	}
}

// answerBeside gets an answer about a blob that is condemned, also in the namespace if that holds it, and calls beside before each step; what
// that returns is called at the end.
func answerBeside(t *testing.T, holds bool, do func(*world) error, beside func(step int, stores *sharedStore) (end func())) (steps int) {
	t.Helper()
	stores := newSharedStore(t, inMemory(t))
	end := func() {}
	begun := false
	w := newHooked(t, stores, func() {
		if begun {
			steps++
			end = beside(steps, stores)
		}
	})
	w.must(w.pushBlob(other, "shared"))
	if holds {
		w.must(w.pushBlob(app, "shared"))
	}
	w.condemnContent()
	w.must(w.pushImage(ocitest.Name("more"), "two", tagV1)) // a store without a namespace is not collected
	begun = true
	err := do(w)
	begun = false
	end()
	if err != nil && !foundItGone(err) {
		t.Errorf("the answer: %v", err)
	}
	if err == nil {
		if err := w.pullBlob(app, ocitest.DigestOf("shared")); err != nil {
			t.Errorf("it was promised, and: %v", err)
		}
	}
	return steps
}

// TestTwoPushersOfOneTagAreBothInItsHistory whichever of their steps come between each other.
func TestTwoPushersOfOneTagAreBothInItsHistory(t *testing.T) {
	t.Parallel()
	for at, steps := 1, 1; at <= steps; at++ {
		stores := newSharedStore(t, inMemory(t))
		client := stores.world()
		client.must(client.pushImage(app, "one"), client.pushImage(app, "two"), client.pushImage(app, "three", tagV1))
		step := -1000 // opening reads the format
		pusher := newHooked(t, stores, func() {
			if step++; step == at {
				client.must(client.pushManifest(app, imageTwo.Content, tagV1))
			}
		})
		step = 0
		pusher.must(pusher.pushManifest(app, imageOne.Content, tagV1))
		steps = max(steps, step)
		if step < at {
			continue // the one before had more steps, as it was disturbed
		}
		stored, err := client.reg.Maintenance().Tag(t.Context(), app, tagV1)
		client.must(err)
		had := map[oci.Digest]bool{stored.Digest: true}
		for _, former := range stored.Former {
			had[former.Digest] = true
		}
		if len(had) != 3 {
			t.Errorf("with a push before step %d of %d the tag has stood for %v, want all three", at, steps, had)
		}
	}
}

// TestAnImmutableTagThatIsMadeAnewHasOneWinner: its manifest is gone for good, and two push another one.
func TestAnImmutableTagThatIsMadeAnewHasOneWinner(t *testing.T) {
	t.Parallel()
	for at, steps := 1, 1; at <= steps; at++ {
		stores := newSharedStore(t, inMemory(t))
		client := openWorld(t, stores.open(), immutable)
		three := ocitest.Image("three")
		client.must(client.pushImage(app, "one"), client.pushImage(app, "two"), client.pushImage(app, "three", tagV1))
		gone := registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: three.Digest}
		client.must(client.store.Delete(t.Context(), gone.Key(), storage.DeleteOptions{}))
		step, inner := -1000, error(nil)
		pusher := openWorld(t, &hooked{Store: stores.open(), before: func() {
			if step++; step == at {
				inner = client.pushManifest(app, imageTwo.Content, tagV1)
			}
		}}, immutable)
		step = 0
		outer := pusher.pushManifest(app, imageOne.Content, tagV1)
		steps = max(steps, step)
		var refused *registry.ImmutableTagError
		switch {
		case step < at: // the one before had more steps, as it was disturbed
		case (outer == nil) == (inner == nil) || outer != nil && !errors.As(outer, &refused) || inner != nil && !errors.As(inner, &refused):
			t.Errorf("with a push before step %d of %d: %v and %v, want one winner", at, steps, outer, inner)
		case outer == nil:
			client.wantPull(tagV1, imageOne.Digest)
		default:
			client.wantPull(tagV1, imageTwo.Digest)
		}
	}
}

// TestAReferrerThatIsPushedInADeleteIsListed whichever step of the delete it comes before.
func TestAReferrerThatIsPushedInADeleteIsListed(t *testing.T) {
	t.Parallel()
	for at, steps := 1, 1; at <= steps; at++ {
		stores := newSharedStore(t, inMemory(t))
		client := stores.world()
		client.must(client.pushImage(app, "one"), pushReferrer(client))
		step := -1000
		deleter := newHooked(t, stores, func() {
			if step++; step == at {
				client.must(pushReferrer(client))
			}
		})
		step = 0
		deleter.must(known(deleter.reg.DeleteManifest(t.Context(), app, sbomOfOne.Digest, "")))
		steps = max(steps, step)
		if _, err := client.reg.GetManifest(t.Context(), app, oci.Reference{Digest: sbomOfOne.Digest}); err == nil {
			client.check(registrytest.ReferrerIs(app, imageOne.Digest, sbomOfOne.Digest))
		}
		if t.Failed() {
			t.Fatalf("with a push before step %d of %d", at, steps)
		}
	}
}
