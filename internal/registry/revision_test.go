package registry_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// TestAManifestNamesWhatACollectorMustKeep: one of a type that is not read names each digest that stands in it.
func TestAManifestNamesWhatACollectorMustKeep(t *testing.T) {
	t.Parallel()
	opaque := ocitest.New("application/vnd.example+json", `{"subject":{"mediaType":"a/b","digest":"`+imageTwo.Digest.String()+`","size":2},`+
		`"of":["`+imageOne.Digest.String()+`","sha256:00","`+imageTwo.Digest.String()+`"],"text":"it is `+ocitest.DigestOf("layer one").String()+`."}`)
	digests := func(list []oci.Descriptor) (digests []oci.Digest) {
		for _, one := range list {
			digests = append(digests, one.Digest)
		}
		return digests
	}
	for _, tt := range []struct {
		name             string
		pushed           ocitest.Content
		layers, children []oci.Digest
	}{
		{"an image", imageOne.Content, []oci.Digest{ocitest.DigestOf("layer one")}, nil},
		{"an index", ocitest.Index(imageOne, imageTwo).Content, nil, []oci.Digest{imageOne.Digest, imageTwo.Digest}},
		{"another type", opaque, []oci.Digest{imageOne.Digest, ocitest.DigestOf("layer one")}, []oci.Digest{imageOne.Digest, ocitest.DigestOf("layer one")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one"), w.pushImage(app, "two"), w.pushManifest(app, tt.pushed))
			m, err := w.reg.Maintenance().Manifest(w.ctx, app, tt.pushed.Digest)
			w.must(err)
			names, err := m.Names()
			if err != nil || !slices.Equal(digests(names.Layers), tt.layers) || !slices.Equal(digests(names.Manifests), tt.children) {
				t.Errorf("got layers %v and children %v, %v, want %v and %v", digests(names.Layers), digests(names.Manifests), err, tt.layers, tt.children)
			}
			m.Content = append(m.Content[:len(m.Content):len(m.Content)], ' ')
			if _, err := m.Names(); !errors.Is(err, registry.ErrDamaged) {
				t.Errorf("one more byte: got %v, want %v", err, registry.ErrDamaged)
			}
		})
	}
}

// TestAPendingManifestIsSeenUntilItIsPublished: by collectors, and by nobody else.
func TestAPendingManifestIsSeenUntilItIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(app, "one"))
	value, err := w.store.Get(w.ctx, revisionOne.Key())
	w.must(err)
	w.deleteManifest(app, imageOne.Digest)
	draft, err := w.store.Prepare(w.ctx, revisionOne.Key(), value.Data)
	w.must(err)
	pending := func() (list []oci.Digest) {
		for m, err := range w.reg.Maintenance().Pending(w.ctx) {
			w.must(err)
			list = append(list, m.Digest)
		}
		return list
	}
	if _, err := w.reg.GetManifest(w.ctx, app, oci.Reference{Digest: imageOne.Digest}); !errors.Is(err, registry.ErrManifestUnknown) {
		t.Errorf("a pull: got %v, want %v", err, registry.ErrManifestUnknown)
	}
	if got := pending(); !slices.Equal(got, []oci.Digest{imageOne.Digest}) {
		t.Errorf("pending: got %v, want the manifest", got)
	}
	w.must(draft.Publish(w.ctx))
	if got := pending(); len(got) > 0 {
		t.Errorf("pending after it was published: %v", got)
	}
	for key, data := range map[string]string{"team/app/_manifests/tags/v1": "x", revisionOne.Key(): "x"} {
		draft, err := w.store.Prepare(w.ctx, key, []byte(data))
		w.must(err)
		if got := walked(t, w.reg.Maintenance().Pending(w.ctx)); !slices.Equal(got, []string{"damaged"}) {
			t.Errorf("a draft of %s: got %q, want that it is damaged", key, got)
		}
		w.must(draft.Discard(w.ctx))
	}
}
