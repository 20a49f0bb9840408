package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// promise is an operation that answers with a promise, and what has to last after it.
type promise struct {
	name   string
	before func(w *world)
	do     func(w *world) error
	// lasts holds for ever after the answer. Blobs that no manifest names are not among it: they stay
	// until the collector's ages are over, which here are none.
	lasts []registrytest.Fact
}

var promises = []promise{
	{
		name:   "a manifest whose blobs are there",
		before: func(w *world) { w.must(w.pushBlob(app, "config one"), w.pushBlob(app, "layer one")) },
		do: func(w *world) error {
			return w.pushManifest(app, imageOne.Content, tagV1)
		},
		lasts: registrytest.ImageIs(app, imageOne, tagV1),
	},
	{
		name:   "a manifest that is there",
		before: func(w *world) { w.must(w.pushImage(app, "one")) },
		do: func(w *world) error {
			return w.pushManifest(app, imageOne.Content, tagV1)
		},
		lasts: registrytest.ImageIs(app, imageOne, tagV1),
	},
	{
		name:   "an image whose blobs another namespace has",
		before: func(w *world) { w.must(w.pushBlob(other, "config one"), w.pushBlob(other, "layer one")) },
		do:     func(w *world) error { return w.pushImage(app, "one", tagV1) },
		lasts:  registrytest.ImageIs(app, imageOne, tagV1),
	},
	{
		name:   "an image of mounted blobs",
		before: func(w *world) { w.must(w.pushImage(other, "one", tagBig)) },
		do: func(w *world) error {
			for _, content := range []string{"config one", "layer one"} {
				err := w.reg.MountBlob(w.ctx, app, other, ocitest.DigestOf(content))
				if err := w.ack(err, registrytest.BlobIs(app, content)); err != nil {
					return err
				}
			}
			return w.pushManifest(app, imageOne.Content, tagV1)
		},
		lasts: append(registrytest.ImageIs(app, imageOne, tagV1), registrytest.ImageIs(other, imageOne, tagBig)...),
	},
	{
		name:   "an image whose blobs a HEAD has found",
		before: func(w *world) { w.must(w.pushImage(app, "one")) },
		do:     pushFoundImage,
		lasts:  registrytest.ImageIs(app, imageOne, tagV1),
	},
	{
		name:   "an index whose child is there",
		before: func(w *world) { w.must(w.pushImage(app, "one")) },
		do:     pushIndex,
		lasts: []registrytest.Fact{
			registrytest.ManifestIs(app, imageOne.Text), registrytest.BlobIs(app, "layer one"),
		},
	},
	{
		name: "the restore after a delete of a manifest and of a layer",
		before: func(w *world) {
			w.must(w.pushImage(app, "one", tagV1))
			w.must(w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, ""))
			w.must(w.reg.DeleteBlob(w.ctx, app, ocitest.DigestOf("layer one"), ""))
		},
		do:    restoreTag,
		lasts: registrytest.ImageIs(app, imageOne, tagV1),
	},
	{
		name: "the restore after a delete of a tag",
		before: func(w *world) {
			w.must(w.pushImage(app, "one", tagV1))
			w.must(w.reg.DeleteTag(w.ctx, app, tagV1, ""))
		},
		do:    restoreTag,
		lasts: registrytest.ImageIs(app, imageOne, tagV1),
	},
	{
		name: "the restore after a delete of an index and its child",
		before: func(w *world) {
			w.must(w.pushImage(app, "one"), pushIndex(w))
			w.must(w.reg.DeleteManifest(w.ctx, app, indexOfOne.Digest, ""), w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, ""))
		},
		do: func(w *world) error {
			_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1})
			return w.ack(err, registrytest.TagIs(app, tagV1, indexOfOne.Digest))
		},
		lasts: []registrytest.Fact{
			registrytest.ManifestIs(app, imageOne.Text), registrytest.BlobIs(app, "layer one"),
			registrytest.TagIs(app, tagV1, indexOfOne.Digest),
		},
	},
	{
		name:   "a referrer",
		before: func(w *world) { w.must(w.pushImage(app, "one", tagV1)) },
		do:     pushReferrer,
		lasts:  []registrytest.Fact{registrytest.ManifestIs(app, sbomOfOne.Text), registrytest.ReferrerIs(app, imageOne.Digest, sbomOfOne.Digest)},
	},
}

// TestNothingAcknowledgedIsCollected lets a collector without ages look before one step of a promise
// and act before a later one, for all steps; and lets it run whole before both.
func TestNothingAcknowledgedIsCollected(t *testing.T) {
	t.Parallel()
	for i, p := range promises {
		for _, condemned := range []int{0, 1} {
			everywhere(t, fmt.Sprintf("%s, after %d runs", p.name, condemned), i, func(t *testing.T, sample sampling) {
				p.besideEverySchedule(t, sample, condemned)
			})
		}
	}
}

func (p promise) besideEverySchedule(t *testing.T, sample sampling, condemned int) {
	t.Helper()
	steps := p.keep(t, newSharedStore(t, sample.at(t)), condemned, schedule{})
	for look := sample.first; look <= steps; look += sample.every {
		// All pairs of steps are too many for a test; over the promises each distance comes up often.
		for _, s := range []schedule{{look: look, act: look}, {look: look, act: look + 1 + look%7}, {look: look, act: look + 1 + look%5, whole: true}} {
			p.keep(t, newSharedStore(t, sample.at(t)), condemned, s)
			if t.Failed() {
				t.Fatalf("with the collector at work %+v of %d steps", s, steps)
			}
		}
	}
}

// schedule says before which steps the collector works, counted from one; never, if they are zero.
type schedule struct {
	look, act int
	whole     bool // it runs from its beginning to its end at both
}

// at is what the collector does before a step.
func (s schedule) at(step int, c *collector) {
	if s.whole && (step == s.look || step == s.act) {
		c.run()
		return
	}
	if step == s.look {
		c.look()
	}
	if step == s.act {
		c.act()
	}
}

// keep does the operation beside a collector and returns its number of steps.
func (p promise) keep(t *testing.T, stores *sharedStore, condemned int, s schedule) (steps int) {
	t.Helper()
	collector := newCollector(t, stores.open())
	begun, step := false, 0
	w := newHooked(t, stores, func() {
		if begun {
			step++
			s.at(step, collector)
		}
	})
	p.before(w)
	for range condemned {
		collector.run()
	}
	begun = true
	err := p.do(w)
	begun, steps = false, step
	if err != nil && !foundItGone(err) {
		t.Errorf("%v", err)
	}
	if step < s.act {
		s.at(s.act, collector) // it stalled for longer than the operation took
	}
	if err == nil {
		p.lasting(t, w, collector)
	}
	return steps
}

// lasting verifies what was acknowledged, at once and after some more runs.
func (p promise) lasting(t *testing.T, w *world, collector *collector) {
	t.Helper()
	for run := range 4 {
		for _, fact := range p.lasts {
			if err := fact.Holds(w.ctx, w.reg); err != nil {
				t.Errorf("after %d more runs: %s: %v", run, fact.Name, err)
			}
		}
		collector.run()
	}
}

// foundItGone says that an operation found something gone that was there before, and told so. Without
// ages the collector may take a blob that no manifest names yet.
func foundItGone(err error) bool {
	var missing *registry.MissingError
	return errors.As(err, &missing) || errors.Is(err, registry.ErrDisturbed) || errors.Is(err, registry.ErrBlobUnknown) ||
		errors.Is(err, registry.ErrUploadUnknown) || errors.Is(err, registry.ErrNotInTrash)
}

func newHooked(t *testing.T, stores *sharedStore, before func()) *world {
	t.Helper()
	var one sync.Mutex // several looks may be under way
	s := &hooked{Store: stores.open(), before: func() {
		one.Lock()
		defer one.Unlock()
		before()
	}}
	return openWorld(t, s)
}

// TestAPushInTheMiddleOfADelete runs a whole push before each step of a delete, and a whole delete
// before each step of a push: what was acknowledged last is so, and no name is left that leads nowhere.
func TestAPushInTheMiddleOfADelete(t *testing.T) {
	t.Parallel()
	push := func(w *world) error {
		if err := w.pushImage(app, "one", tagV1, tagBig); err != nil {
			return err
		}
		return pushReferrer(w)
	}
	remove := func(w *world) error {
		return errors.Join(known(w.reg.DeleteManifest(w.ctx, app, sbomOfOne.Digest, "")),
			known(w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "")))
	}
	restore := func(w *world) error {
		if err := remove(w); err != nil {
			return err
		}
		_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app})
		if errors.Is(err, registry.ErrNotInTrash) {
			return nil // another restore was faster
		}
		return err
	}
	untag := func(w *world) error { return known(w.reg.DeleteTag(w.ctx, app, tagV1, "")) }
	for i, tt := range []struct {
		name         string
		outer, inner func(w *world) error
	}{
		{"a push within a delete", remove, push},
		{"a push within a delete of a tag", untag, push},
		{"a delete within a push", push, remove},
		{"a delete of a tag within a push", push, untag},
		{"a delete within a delete", remove, remove},
		{"a push within a restore", restore, push},
		{"a delete within a restore", restore, remove},
		{"a restore within a restore", restore, restore},
		{"a restore within a push", push, restore},
	} {
		everywhere(t, tt.name, i, func(t *testing.T, sample sampling) {
			for at, steps := sample.first, sample.first; at <= steps && !t.Failed(); at += sample.every {
				stores := newSharedStore(t, sample.at(t))
				inner := newHooked(t, stores, func() {})
				steps = 0
				w := newHooked(t, stores, func() {
					if steps++; steps == at {
						inner.must(tt.inner(inner))
					}
				})
				inner.must(push(inner))
				if err := tt.outer(w); err != nil && !foundItGone(err) {
					t.Errorf("%v", err)
				}
				wantTogether(t, inner, at)
			}
		})
	}
}

func known(err error) error {
	if isUnknown(err) {
		return nil
	}
	return err
}

// wantTogether: tags and referrers that are asked for by name are there only with their manifests.
func wantTogether(t *testing.T, w *world, at int) {
	t.Helper()
	_, gone := w.reg.GetManifest(w.ctx, app, oci.Reference{Digest: imageOne.Digest})
	for _, tag := range []oci.Tag{tagV1, tagBig} {
		if _, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Tag: tag}); err == nil && gone != nil {
			t.Errorf("step %d: tag %s is there and its manifest is not", at, tag)
		}
	}
	dangling := registrytest.Check(t, w.subject())
	dangling = slices.DeleteFunc(dangling, func(s string) bool { return !strings.HasPrefix(s, "tag ") && !strings.HasPrefix(s, "referrer ") })
	if len(dangling) > 0 {
		t.Errorf("step %d: what is gone is named by %q", at, dangling)
	}
}
