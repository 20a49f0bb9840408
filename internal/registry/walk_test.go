package registry_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// walked is what a listing yields, each in words, an error as that it is damaged.
func walked[T any](t *testing.T, all iter.Seq2[T, error]) (got []string) {
	t.Helper()
	for one, err := range all {
		switch {
		case errors.Is(err, registry.ErrDamaged):
			got = append(got, "damaged")
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, fmt.Sprint(one))
		}
	}
	return got
}

// TestAWalkYieldsWhatIsThereAndNamesWhatIsStrange: what is not of the layout is an error, and the walk goes on.
func TestAWalkYieldsWhatIsThereAndNamesWhatIsStrange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	w.must(w.pushImage(app, "one", tagV1, tagBig), w.pushImage(app, "two"), w.pushManifest(app, imageTwo.Refer(imageOne).Content), w.pushBlob(other, "shared"))
	referrer := imageTwo.Refer(imageOne).Digest
	config, layer := ocitest.DigestOf("config one").String(), ocitest.DigestOf("layer one").String()
	w.must(w.reg.DeleteBlob(w.ctx, app, ocitest.DigestOf("layer two"), ""))
	for _, key := range []string{
		"team/app/_manifests/tags/no tag", "team/app/_layers/sha256/short", "team/app/_manifests/revisions/file", "_blobs/sha256/00/short",
		"team/app/_manifests/referrers/sha256/x/y", "_namespaces/No Name",
	} {
		w.put(key, nil)
	}
	for _, tt := range []struct {
		name      string
		got, want []string
	}{
		{"namespaces", walked(t, m.Namespaces(w.ctx)), []string{"other", "team/app"}},
		{"catalog", walked(t, m.InCatalog(w.ctx)), []string{"damaged", "team/app"}},
		{"revisions", walked(t, m.Revisions(w.ctx, app)), []string{"damaged", imageOne.Digest.String(), imageTwo.Digest.String(), referrer.String()}},
		{"links", walked(t, m.Links(w.ctx, app)), []string{"damaged", config, layer, ocitest.DigestOf("config two").String()}},
		{"tags", walked(t, m.Tags(w.ctx, app)), []string{"LATEST", "damaged", "v1"}},
		{"markers", walked(t, m.Markers(w.ctx, app)), []string{ocitest.DigestOf("layer two").String()}},
		{"referrers", walked(t, m.ReferrerEntries(w.ctx, app)), []string{"damaged", registry.Object{
			Kind: registry.KindReferrer, Namespace: app, Subject: imageOne.Digest, Digest: referrer,
		}.Key()}},
		{"blobs", walked(t, m.Blobs(w.ctx)), []string{"damaged", config, layer, ocitest.DigestOf("config two").String(), ocitest.DigestOf("layer two").String(), ocitest.DigestOf("shared").String()}},
	} {
		slices.Sort(tt.got)
		slices.Sort(tt.want)
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: got\n%q\nwant\n%q", tt.name, tt.got, tt.want)
		}
	}
}

// TestAFileWhereAFolderMustBeEndsTheWalk: a listing of it would be empty, as if there were nothing.
func TestAFileWhereAFolderMustBeEndsTheWalk(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"team/app/_layers", "team/app/_manifests", "team/app/_manifests/tags", "team/file", "_deleted", "Team/_layers/x"} {
		w := newWorld(t, inMemory(t))
		w.must(w.pushImage(other, "one"))
		if key == "team/app/_manifests/tags" {
			w.must(w.pushImage(app, "one"))
		}
		w.put(key, nil)
		if got := walked(t, w.reg.Maintenance().Namespaces(w.ctx)); !slices.Contains(got, "damaged") {
			t.Errorf("%s: got %q, want that it is damaged", key, got)
		}
	}
}

// TestObjectsAreWalkedFromAnyKeyOn: so that a walk that was interrupted goes on.
func TestObjectsAreWalkedFromAnyKeyOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	w.must(w.pushImage(app, "one", tagV1), w.pushImage(other, "two", tagV1), w.reg.DeleteTag(w.ctx, other, tagV1, "bob"))
	w.must(m.Condemn(w.ctx, registry.Object{Kind: registry.KindManifest, Namespace: other, Digest: imageTwo.Digest}))
	keys := func(all iter.Seq2[registry.Object, error]) (list []string) {
		for o, err := range all {
			w.must(err)
			list = append(list, o.Key())
		}
		return list
	}
	counts := map[registry.Part]int{registry.PartBlobs: 4, registry.PartMetadata: 11, registry.PartCondemned: 1}
	for part, count := range counts {
		all := keys(m.Objects(w.ctx, part, ""))
		if len(all) != count {
			t.Errorf("%s: got %d objects, want %d: %q", part, len(all), count, all)
		}
		for i, key := range all {
			if part == registry.PartCondemned {
				break // it has no order
			}
			if got := keys(m.Objects(w.ctx, part, key)); !slices.Equal(got, all[i+1:]) {
				t.Errorf("%s behind %s: got %q, want %q", part, key, got, all[i+1:])
			}
		}
	}
	if got := keys(m.ObjectsOf(w.ctx, app, "")); len(got) != 5 {
		t.Errorf("team/app has %q, want two links, a manifest, a tag and its entry", got)
	}
}

// TestWhatWasMovedAsideIsYieldedUntilItIsPushedAgain: only manifests and tags name something.
func TestWhatWasMovedAsideIsYieldedUntilItIsPushedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	damaged := func(io.Reader) (bool, error) { return false, nil }
	w.must(w.pushImage(app, "one", tagV1), w.pushImage(other, "two"))
	w.must(second(m.MoveAside(w.ctx, revisionOne, damaged)), second(m.MoveAside(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: ocitest.DigestOf("layer two")}, damaged)))
	if got := walked(t, m.MovedAside(w.ctx)); !slices.Equal(got, []string{"team/app"}) {
		t.Errorf("got %q, want the namespace of the manifest", got)
	}
	w.must(w.pushImage(app, "one"))
	if got := walked(t, m.MovedAside(w.ctx)); len(got) > 0 {
		t.Errorf("got %q after a push, want none", got)
	}
}
