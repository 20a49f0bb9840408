package registry_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

var revisionOne = registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: imageOne.Digest}

func TestAManifestIsFoundByItsDigestAndByATag(t *testing.T) {
	t.Parallel()
	push := func(w *world) { w.must(w.pushImage(app, "one", tagV1)) }
	byDigest, byTag := oci.Reference{Digest: imageOne.Digest}, oci.Reference{Tag: tagV1}
	for _, tt := range []struct {
		name   string
		before func(w *world)
		ref    oci.Reference
		want   error
	}{
		{"by its digest", push, byDigest, nil},
		{"by a tag", push, byTag, nil},
		{"by a tag that was pushed over", func(w *world) { push(w); w.must(w.pushImage(app, "two", tagV1)) }, byDigest, nil},
		{"when all of it is condemned", func(w *world) { push(w); w.condemnAll() }, byTag, nil},
		{"in another namespace", func(w *world) { w.must(w.pushImage(other, "one", tagV1)) }, byDigest, registry.ErrManifestUnknown},
		{"by a tag that is not there", push, oci.Reference{Tag: tagBig}, registry.ErrManifestUnknown},
		{"by a tag whose manifest is gone", func(w *world) {
			push(w)
			w.must(w.store.Delete(w.ctx, revisionOne.Key(), storage.DeleteOptions{}))
		}, byTag, registry.ErrManifestUnknown},
		{"when its record is damaged", func(w *world) { push(w); w.put(revisionOne.Key(), []byte("{")) }, byDigest, registry.ErrDamaged},
		{"when its tag is damaged", func(w *world) { push(w); w.put("team/app/_manifests/tags/v1", []byte("{")) }, byTag, registry.ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			tt.before(w)
			m, err := w.reg.GetManifest(w.ctx, app, tt.ref)
			if !errors.Is(err, tt.want) || err == nil && string(m.Content) != imageOne.Text {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if errors.Is(tt.want, registry.ErrDamaged) && isUnknown(err) {
				t.Errorf("what is damaged reads as absent: %v", err)
			}
		})
	}
}

// TestAManifestOfAServiceIsComparedWithItsDigest: what came over a network, a pull does not take on trust.
func TestAManifestOfAServiceIsComparedWithItsDigest(t *testing.T) {
	t.Parallel()
	w, _ := newInstance(t, inMemory(t), nil)
	w.must(w.pushImage(app, "one"))
	value, err := w.store.Get(w.ctx, revisionOne.Key())
	w.must(err)
	w.put(revisionOne.Key(), append(value.Data, ' '))
	if _, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Digest: imageOne.Digest}); !errors.Is(err, registry.ErrDamaged) {
		t.Errorf("got %v, want %v", err, registry.ErrDamaged)
	}
}

func TestADeleteOfAManifestRemovesWhatNamesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one", tagV1, tagBig), w.pushImage(app, "two"), w.pushManifest(app, imageTwo.Refer(imageOne).Content, tagV1))
	referrer := imageTwo.Refer(imageOne).Digest
	w.deleteManifest(app, imageOne.Digest)
	w.check(registrytest.NoManifest(app, imageOne.Digest), registrytest.NoTag(app, tagBig),
		registrytest.TagIs(app, tagV1, referrer), registrytest.ReferrerIs(app, imageOne.Digest, referrer))
	w.deleteManifest(app, referrer)
	w.check(registrytest.NoTag(app, tagV1), registrytest.NoReferrer(app, imageOne.Digest, referrer))
	want := []string{"manifest of team/app", "tag LATEST of team/app", "manifest of team/app", "tag v1 of team/app"}
	if got := w.removed(app); !slices.Equal(got, want) {
		t.Errorf("the trash holds %q, want %q", got, want)
	}
	if err := w.reg.DeleteManifest(w.ctx, app, referrer, "bob"); !errors.Is(err, registry.ErrManifestUnknown) {
		t.Errorf("a second delete: got %v, want %v", err, registry.ErrManifestUnknown)
	}
}

func TestAManifestOfAnImmutableTagIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t), immutable)
	w.must(w.pushImage(app, "one", tagV1), w.pushImage(app, "two"))
	var refused *registry.ImmutableTagError
	if err := w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "bob"); !errors.As(err, &refused) || refused.Tag != tagV1 {
		t.Errorf("got %v, want that %s is immutable", err, tagV1)
	}
	w.deleteManifest(app, imageTwo.Digest)
	w.check(registrytest.ImageIs(app, imageOne, tagV1)...)
}

// TestThreatImmutableTagsInTheMiddleOfADelete pushes an immutable tag before each step of a delete by digest, and another
// image to it before each later one; and has a second delete run whole before each step. What was acknowledged first
// stays.
func TestThreatImmutableTagsInTheMiddleOfADelete(t *testing.T) {
	t.Parallel()
	for steps, first := 1, 1; first <= steps; first++ {
		for second := first; second <= steps; second++ {
			for other := first; ; other = max(other-sparse(4, 1), 0) { // 0: there is none
				steps = max(steps, pushIntoADelete(t, first, second, other))
				if t.Failed() {
					t.Fatalf("with pushes before steps %d and %d, and a delete before step %d of %d", first, second, other, steps)
				}
				if other == 0 {
					break
				}
			}
		}
	}
}

// pushIntoADelete deletes a manifest with two pushes and another delete before some steps, and says how many there were.
func pushIntoADelete(t *testing.T, first, second, other int) (steps int) {
	t.Helper()
	stores := newSharedStore(t, inMemory(t))
	client := openWorld(t, stores.open(), immutable)
	client.must(client.pushImage(app, "one"), client.pushImage(app, "two"))
	step, acknowledged := -1000, oci.Digest{} // opening reads the format
	remove := func(w *world) {
		err := w.reg.DeleteManifest(t.Context(), app, imageOne.Digest, "")
		var refused *registry.ImmutableTagError
		if err != nil && !errors.As(err, &refused) && !isUnknown(err) {
			t.Errorf("delete: %v", err)
		}
	}
	push := func(image ocitest.Manifest) {
		err := registrytest.Pusher{To: client.reg}.PushManifest(t.Context(), app, image.Content, tagV1)
		if err == nil && !acknowledged.IsZero() {
			t.Errorf("%s became %s before step %d, which was %s before step %d", tagV1, image.Digest, second, acknowledged, first)
		}
		if err == nil {
			acknowledged = image.Digest
		}
	}
	deleter := openWorld(t, &hooked{Store: stores.open(), before: func() {
		if step++; step == other {
			remove(client)
		}
		if step == first {
			push(imageOne)
		}
		if step == second {
			push(imageTwo)
		}
	}}, immutable)
	step = 0
	remove(deleter)
	if step >= first {
		client.check(registrytest.TagIs(app, tagV1, acknowledged), registrytest.ManifestIs(app, imageTwo.Text))
	}
	for d, err := range client.reg.Maintenance().Markers(t.Context(), app) {
		t.Errorf("the marker of %s is left (%v)", d, err)
	}
	return step
}

// TestATagOfAKilledDeleteReadsAsAbsentSoon: for a second, and no longer, a tag that is there proves its manifest.
func TestATagOfAKilledDeleteReadsAsAbsentSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, inMemory(t))
		w.must(w.pushImage(app, "one", tagV1))
		for range 2 {
			time.Sleep(2 * time.Second) // what has settled is kept
			w.wantPull(tagV1, imageOne.Digest)
		}
		w.must(w.store.Delete(w.ctx, revisionOne.Key(), storage.DeleteOptions{}))
		time.Sleep(time.Second)
		if got, err := w.pull(tagV1); !errors.Is(err, registry.ErrManifestUnknown) {
			t.Errorf("a second behind the delete: got %s, %v, want %v", got, err, registry.ErrManifestUnknown)
		}
	})
}
