package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

// newRestoreWorld has a clock on which each look is a minute later, from noon on.
func newRestoreWorld(t *testing.T, set ...func(*registry.Options)) *world {
	t.Helper()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clock := func(o *registry.Options) { o.Now = func() time.Time { now = now.Add(time.Minute); return now } }
	return newWorld(t, inMemory(t), append(set, clock)...)
}

func TestWhatARestoreBringsBack(t *testing.T) {
	t.Parallel()
	both := func(w *world) { w.must(w.pushImage(app, "one", tagV1, tagBig)) }
	tests := []struct {
		name    string
		before  func(w *world)
		restore registry.RestoreOptions
		want    []string // what it says it did
		facts   []registrytest.Fact
		trash   []string // what is left in it
	}{
		{
			name:    "a tag that was deleted alone",
			before:  func(w *world) { both(w); w.deleteTag(tagV1) },
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"tag v1"},
			facts:   registrytest.ImageIs(app, imageOne, tagV1),
		},
		{
			name:    "a tag that went with its manifest, and not the other one",
			before:  func(w *world) { both(w); w.deleteManifest(app, imageOne.Digest) },
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"manifest", "tag v1"},
			facts:   append(registrytest.ImageIs(app, imageOne, tagV1), registrytest.NoTag(app, tagBig)),
			trash:   []string{"tag LATEST of team/app"},
		},
		{
			name:    "a manifest without its tags",
			before:  func(w *world) { both(w); w.deleteManifest(app, imageOne.Digest) },
			restore: registry.RestoreOptions{Namespace: app, Digest: imageOne.Digest},
			want:    []string{"manifest"},
			facts:   []registrytest.Fact{registrytest.ManifestIs(app, imageOne.Text), registrytest.NoTag(app, tagV1)},
			trash:   []string{"tag LATEST of team/app", "tag v1 of team/app"},
		},
		{
			name:    "a manifest that a digest alone names",
			before:  func(w *world) { both(w); w.deleteManifest(app, imageOne.Digest) },
			restore: registry.RestoreOptions{Digest: imageOne.Digest},
			want:    []string{"manifest"},
			facts:   []registrytest.Fact{registrytest.ManifestIs(app, imageOne.Text)},
			trash:   []string{"tag LATEST of team/app", "tag v1 of team/app"},
		},
		{
			name: "a manifest and the layer that was deleted after it, though a collector has condemned both",
			before: func(w *world) {
				both(w)
				w.deleteManifest(app, imageOne.Digest)
				w.deleteBlob("layer one")
				w.condemnContent()
			},
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"blob", "manifest", "tag v1"},
			facts:   registrytest.ImageIs(app, imageOne, tagV1),
			trash:   []string{"tag LATEST of team/app"},
		},
		{
			name:    "a layer alone",
			before:  func(w *world) { both(w); w.deleteBlob("layer one") },
			restore: registry.RestoreOptions{Namespace: app, Digest: ocitest.DigestOf("layer one")},
			want:    []string{"blob"},
			facts:   []registrytest.Fact{registrytest.BlobIs(app, "layer one")},
		},
		{
			name:    "the layer of an image that is there",
			before:  func(w *world) { both(w); w.deleteBlob("layer one") },
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"blob", "tag v1"},
			facts:   registrytest.ImageIs(app, imageOne, tagV1),
		},
		{
			name: "an index, its child, and the layer of that",
			before: func(w *world) {
				w.must(w.pushImage(app, "one"), pushIndex(w))
				w.deleteManifest(app, indexOfOne.Digest)
				w.deleteManifest(app, imageOne.Digest)
				w.deleteBlob("layer one")
			},
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"blob", "manifest", "manifest", "tag v1"},
			facts:   []registrytest.Fact{registrytest.TagIs(app, tagV1, indexOfOne.Digest), registrytest.ManifestIs(app, imageOne.Text), registrytest.BlobIs(app, "layer one")},
		},
		{
			name: "a referrer, which its subject shows again",
			before: func(w *world) {
				w.must(w.pushImage(app, "one", tagV1), pushReferrer(w))
				w.deleteManifest(app, sbomOfOne.Digest)
			},
			restore: registry.RestoreOptions{Digest: sbomOfOne.Digest},
			want:    []string{"manifest"},
			facts:   []registrytest.Fact{registrytest.ReferrerIs(app, imageOne.Digest, sbomOfOne.Digest)},
		},
		{
			name: "a whole namespace, and no other one",
			before: func(w *world) {
				both(w)
				w.must(pushReferrer(w), w.pushImage(other, "one", tagV1))
				w.deleteManifest(app, sbomOfOne.Digest)
				w.deleteManifest(app, imageOne.Digest)
				w.deleteBlob("layer one")
				w.deleteManifest(other, imageOne.Digest)
			},
			restore: registry.RestoreOptions{Namespace: app},
			want:    []string{"blob", "manifest", "tag LATEST", "tag v1", "manifest"},
			facts:   append(registrytest.ImageIs(app, imageOne, tagV1), registrytest.TagIs(app, tagBig, imageOne.Digest), registrytest.NoTag(other, tagV1)),
			trash:   []string{"manifest of other", "tag v1 of other"},
		},
		{
			name: "of a namespace what was removed since a time",
			before: func(w *world) {
				both(w)
				w.deleteTag(tagBig) // before 12:30
				for range 30 {
					w.must(w.pushManifest(app, imageOne.Content))
				}
				w.deleteTag(tagV1)
			},
			restore: registry.RestoreOptions{Namespace: app, Since: time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)},
			want:    []string{"tag v1"},
			facts:   append(registrytest.ImageIs(app, imageOne, tagV1), registrytest.NoTag(app, tagBig)),
			trash:   []string{"tag LATEST of team/app"},
		},
		{
			name: "of a tag that was deleted twice the last value",
			before: func(w *world) {
				both(w)
				w.deleteTag(tagV1)
				w.must(w.pushImage(app, "two", tagV1))
				w.deleteTag(tagV1)
			},
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"tag v1"},
			facts:   []registrytest.Fact{registrytest.TagIs(app, tagV1, imageTwo.Digest)},
		},
		{
			name:    "of a tag that was pushed over the former value",
			before:  func(w *world) { both(w); w.must(w.pushImage(app, "two", tagV1)) },
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: imageOne.Digest},
			want:    []string{"tag v1"},
			facts:   registrytest.ImageIs(app, imageOne, tagV1),
		},
		{
			name: "of a tag that was pushed over and deleted the former value",
			before: func(w *world) {
				both(w)
				w.must(w.pushImage(app, "two", tagV1))
				w.deleteManifest(app, imageTwo.Digest)
				w.deleteManifest(app, imageOne.Digest)
			},
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: imageOne.Digest},
			want:    []string{"manifest", "tag v1"},
			facts:   append(registrytest.ImageIs(app, imageOne, tagV1), registrytest.NoManifest(app, imageTwo.Digest)),
			trash:   []string{"manifest of team/app", "tag LATEST of team/app"},
		},
		{
			name:    "nothing, as the tag is there",
			before:  both,
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    []string{"tag v1, which was there"},
			facts:   registrytest.ImageIs(app, imageOne, tagV1),
		},
		{
			name:    "nothing, as the manifest is there again; what the trash keeps of it stays",
			before:  func(w *world) { both(w); w.deleteManifest(app, imageOne.Digest); both(w) },
			restore: registry.RestoreOptions{Namespace: app, Digest: imageOne.Digest},
			want:    []string{"manifest, which was there"},
			facts:   registrytest.ImageIs(app, imageOne, tagV1),
			trash:   []string{"manifest of team/app", "tag LATEST of team/app", "tag v1 of team/app"},
		},
		{
			name:    "what a collector has condemned",
			before:  func(w *world) { w.must(w.pushImage(app, "one")); w.condemnContent() },
			restore: registry.RestoreOptions{Namespace: app, Digest: imageOne.Digest},
			want:    []string{"manifest"},
			facts:   []registrytest.Fact{registrytest.ManifestIs(app, imageOne.Text), registrytest.BlobIs(app, "layer one")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newRestoreWorld(t)
			tt.before(w)
			before := w.removed(oci.Name{})
			dry := tt.restore
			dry.DryRun = true
			planned, err := w.reg.Maintenance().Restore(w.ctx, dry)
			w.must(err)
			if kept := w.removed(oci.Name{}); !slices.Equal(kept, before) {
				t.Errorf("a dry run left %q in the trash, want %q", kept, before)
			}
			tt.restore.By = "carol"
			done, err := w.reg.Maintenance().Restore(w.ctx, tt.restore)
			if err != nil {
				t.Fatalf("restore: %v", err)
			}
			if got := words(done); !slices.Equal(got, tt.want) {
				t.Errorf("restored %q, want %q", got, tt.want)
			}
			if got := words(planned); !slices.Equal(got, words(done)) && !slices.Equal(sorted(got), sorted(words(done))) {
				t.Errorf("a dry run said %q, and then came %q", got, words(done))
			}
			if got := w.removed(oci.Name{}); !slices.Equal(got, tt.trash) {
				t.Errorf("the trash holds %q, want %q", got, tt.trash)
			}
			registrytest.Check(t, w.subject(), tt.facts...)
			again, err := w.reg.Maintenance().Restore(w.ctx, tt.restore)
			if err != nil && !errors.Is(err, registry.ErrNotInTrash) {
				t.Errorf("restore again: %v", err)
			}
			if i := slices.IndexFunc(again, func(one registry.Restored) bool { return !one.Found }); i >= 0 {
				t.Errorf("restored again: %q, want that all was there", words(again))
			}
		})
	}
}

func words(list []registry.Restored) (out []string) {
	for _, one := range list {
		word := string(one.Kind)
		if one.Kind == registry.KindTag {
			word += " " + one.Tag.String()
		}
		if one.Found {
			word += ", which was there"
		}
		out = append(out, word)
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestWhatARestoreRefuses(t *testing.T) {
	t.Parallel()
	push := func(w *world) { w.must(w.pushImage(app, "one", tagV1)) }
	destroyed := func(w *world) {
		push(w)
		w.deleteManifest(app, imageOne.Digest)
		w.condemnContent()
		for condemnation, err := range w.store.Condemned(w.ctx, "") {
			w.must(err, w.store.Destroy(w.ctx, condemnation.Key, storage.DeleteOptions{}))
		}
	}
	tests := []struct {
		name    string
		config  func(*registry.Options)
		before  func(w *world)
		restore registry.RestoreOptions
		want    string // in its error
	}{
		{
			name: "a tag that never was", before: push, restore: registry.RestoreOptions{Namespace: app, Tag: tagBig},
			want: "not in the trash: tag LATEST of team/app",
		},
		{
			name: "a digest that never was", before: push, restore: registry.RestoreOptions{Digest: imageTwo.Digest},
			want: "not in the trash: " + imageTwo.Digest.String(),
		},
		{
			name: "a namespace of which nothing was removed", before: push, restore: registry.RestoreOptions{Namespace: app},
			want: "not in the trash: team/app",
		},
		{
			name: "a tag whose layers are destroyed", before: destroyed, restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want: "manifest names content that the namespace does not hold: " + ocitest.DigestOf("config one").String() + ", " + ocitest.DigestOf("layer one").String(),
		},
		{
			name: "a blob that another namespace held",
			before: func(w *world) {
				w.must(w.pushBlob(other, "layer one"), w.pushBlob(app, "layer one"))
				w.deleteBlob("layer one")
			},
			restore: registry.RestoreOptions{Namespace: other, Digest: ocitest.DigestOf("config one")},
			want:    "not in the trash",
		},
		{
			name: "a digest that was removed from two namespaces",
			before: func(w *world) {
				push(w)
				w.must(w.pushImage(other, "one", tagV1))
				w.deleteManifest(app, imageOne.Digest)
				w.deleteManifest(other, imageOne.Digest)
			},
			restore: registry.RestoreOptions{Digest: imageOne.Digest},
			want:    "was removed from 2 namespaces: other, team/app",
		},
		{
			name:    "a tag that was pushed again",
			before:  func(w *world) { push(w); w.deleteTag(tagV1); w.must(w.pushImage(app, "two", tagV1)) },
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    "tag v1 of team/app was pushed again and stands for " + imageTwo.Digest.String(),
		},
		{
			name: "a value that a tag never had", before: func(w *world) { push(w); w.must(w.pushImage(app, "two")) },
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: imageTwo.Digest},
			want:    "tag v1 of team/app has not stood for " + imageTwo.Digest.String(),
		},
		{
			name:   "an immutable tag that stands for something else",
			config: immutable,
			before: func(w *world) {
				m := openWorld(w.t, w.store)
				m.must(m.pushImage(app, "one", tagV1), m.pushImage(app, "two", tagV1))
			},
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: imageOne.Digest},
			want:    "tag v1 is immutable and stands for " + imageTwo.Digest.String(),
		},
		{
			name:    "anything, as the registry is read-only",
			config:  readOnly,
			before:  func(*world) {},
			restore: registry.RestoreOptions{Namespace: app, Tag: tagV1},
			want:    registry.ErrReadOnly.Error(),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := tt.config
			if config == nil {
				config = asItIs
			}
			w := newRestoreWorld(t, config)
			tt.before(w)
			before := w.removed(oci.Name{})
			for _, dry := range []bool{true, false} {
				tt.restore.DryRun = dry
				_, err := w.reg.Maintenance().Restore(w.ctx, tt.restore)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("dry run %t: got %v, want %q", dry, err, tt.want)
				}
			}
			if got := w.removed(oci.Name{}); !slices.Equal(got, before) {
				t.Errorf("the trash holds %q, want %q as before", got, before)
			}
		})
	}
}

// TestARestoreOpensNothingOfOthers: a manifest of the trash names a blob that only another namespace holds.
func TestARestoreOpensNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := newRestoreWorld(t, func(o *registry.Options) { o.Config.MissingReferences = "allow" })
	w.must(w.pushImage(other, "one"))
	w.must(w.pushManifest(app, imageOne.Content, tagV1))
	w.deleteManifest(app, imageOne.Digest)
	_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app})
	w.must(err)
	registrytest.Check(t, w.subject(), registrytest.TagIs(app, tagV1, imageOne.Digest),
		registrytest.NoBlob(app, ocitest.DigestOf("layer one")), registrytest.NoBlob(app, ocitest.DigestOf("config one")))
}

// TestRestoreAgainstDeleteAndPush: whichever comes first, the tag is there with its manifest, or absent.
func TestRestoreAgainstDeleteAndPush(t *testing.T) {
	t.Parallel()
	store := inMemory(t)
	clients := []*world{newWorld(t, store), newWorld(t, store)}
	d := imageOne.Digest
	for range 20 {
		clients[0].must(clients[0].pushImage(app, "one", tagV1, tagBig))
		atOnce(6, func(i int) {
			c := clients[i/3]
			switch i % 3 {
			case 0:
				if err := c.reg.DeleteManifest(t.Context(), app, d, ""); err != nil && !isUnknown(err) {
					t.Errorf("delete: %v", err)
				}
			case 1:
				if err := c.pushManifest(app, imageOne.Content, tagV1); err != nil {
					t.Errorf("push: %v", err)
				}
			default:
				_, err := c.reg.Maintenance().Restore(t.Context(), registry.RestoreOptions{Namespace: app, Tag: tagV1})
				if err != nil && !errors.Is(err, registry.ErrNotInTrash) {
					t.Errorf("restore: %v", err)
				}
			}
		})
		clients[0].tagsFollowTheManifest(t, clients[1], d)
	}
	clients[0].must(clients[0].pushImage(app, "one", tagV1))
	clients[0].deleteManifest(app, d)
	_, err := clients[1].reg.Maintenance().Restore(context.Background(), registry.RestoreOptions{Namespace: app, Tag: tagV1})
	clients[1].must(err)
	clients[0].check(registrytest.ImageIs(app, imageOne, tagV1)...)
}
