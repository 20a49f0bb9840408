package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// removals are what takes something away, or another place. What they acknowledge has to last like a promise.
var removals = []promise{
	{
		name:   "a delete of a tag",
		before: func(w *world) { w.must(w.pushImage(app, "one", tagV1, tagBig)) },
		do:     func(w *world) error { return w.reg.DeleteTag(w.ctx, app, tagV1, "") },
		lasts:  append(registrytest.ImageIs(app, imageOne, tagBig), registrytest.NoTag(app, tagV1)),
	},
	{
		name:   "a delete of a manifest that another namespace has, too",
		before: func(w *world) { w.must(w.pushImage(app, "one", tagV1, tagBig), w.pushImage(other, "one", tagV1)) },
		do:     func(w *world) error { return w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "") },
		lasts: append(registrytest.ImageIs(other, imageOne, tagV1),
			registrytest.NoManifest(app, imageOne.Digest), registrytest.NoTag(app, tagV1), registrytest.NoTag(app, tagBig)),
	},
	{
		name:   "a delete of a referrer",
		before: func(w *world) { w.must(w.pushImage(app, "one", tagV1), pushReferrer(w)) },
		do: func(w *world) error {
			return w.reg.DeleteManifest(w.ctx, app, sbomOfOne.Digest, "")
		},
		lasts: append(registrytest.ImageIs(app, imageOne, tagV1), registrytest.NoManifest(app, sbomOfOne.Digest),
			registrytest.NoReferrer(app, imageOne.Digest, sbomOfOne.Digest)),
	},
	{
		name:   "a delete of a blob that another namespace has, too",
		before: func(w *world) { w.must(w.pushImage(other, "one", tagV1), w.pushBlob(app, "layer one")) },
		do: func(w *world) error {
			return known(w.reg.DeleteBlob(w.ctx, app, ocitest.DigestOf("layer one"), ""))
		},
		lasts: append(registrytest.ImageIs(other, imageOne, tagV1), registrytest.NoBlob(app, ocitest.DigestOf("layer one"))),
	},
	{
		name:   "a push of another image to a tag",
		before: func(w *world) { w.must(w.pushImage(app, "two", tagV1)) },
		do:     func(w *world) error { return w.pushImage(app, "one", tagV1) },
		lasts:  registrytest.ImageIs(app, imageOne, tagV1),
	},
}

// TestWhatIsRemovedStaysRemoved does with removals what TestNothingAcknowledgedIsCollected does with promises.
func TestWhatIsRemovedStaysRemoved(t *testing.T) {
	t.Parallel()
	for i, p := range removals {
		everywhere(t, p.name, i, func(t *testing.T, sample sampling) { p.besideEverySchedule(t, sample, 0) })
	}
}

// TestACollectorStoppedAtAnyStep stops the collector before each of its steps, for as long as a whole promise
// or removal takes, and lets it go on. To it everything is old, so each stop is longer than its ages.
func TestACollectorStoppedAtAnyStep(t *testing.T) {
	t.Parallel()
	for i, p := range slices.Concat(promises, removals) {
		everywhere(t, p.name, i, func(t *testing.T, sample sampling) {
			for at, steps := sample.first, sample.first; at <= steps; at += sample.every {
				// Every other time a whole run has condemned before what nothing named by then.
				steps = max(steps, p.withinARun(t, newSharedStore(t, sample.at(t)), at%2, at))
				if t.Failed() {
					t.Fatalf("with the collector stopped before step %d of %d", at, steps)
				}
			}
		})
	}
}

// withinARun does the operation whole before one step of a run, and returns the number of steps.
func (p promise) withinARun(t *testing.T, stores *sharedStore, before, at int) (steps int) {
	t.Helper()
	w := newHooked(t, stores, func() {})
	begun := false
	var err error
	collector := newCollector(t, &hooked{Store: stores.open(), before: func() {
		if !begun {
			return
		}
		if steps++; steps == at {
			err = p.do(w)
		}
	}})
	p.before(w)
	for range before {
		collector.run()
	}
	begun = true
	collector.run()
	begun = false
	if err != nil && !foundItGone(err) {
		t.Errorf("%v", err)
	}
	if steps < at || err != nil {
		return steps
	}
	p.lasting(t, w, collector)
	if dangling := registrytest.Check(t, w.subject()); len(dangling) > 0 {
		t.Errorf("what is gone is named by\n  %s", strings.Join(dangling, "\n  "))
	}
	return steps
}
