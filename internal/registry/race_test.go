package registry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// TestPushAgainstDelete: whichever comes first, the manifest and what leads to it are there together
// or not at all; and a push that comes after them all is there.
func TestPushAgainstDelete(t *testing.T) {
	t.Parallel()
	d := imageOne.Digest
	for _, tt := range []struct {
		name   string
		remove func(ctx context.Context, r *registry.Registry) error
	}{
		{"of the tag", func(ctx context.Context, r *registry.Registry) error { return r.DeleteTag(ctx, app, tagV1, "") }},
		{"of the manifest", func(ctx context.Context, r *registry.Registry) error { return r.DeleteManifest(ctx, app, d, "") }},
		{"of a blob", func(ctx context.Context, r *registry.Registry) error {
			return r.DeleteBlob(ctx, app, ocitest.DigestOf("layer one"), "")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			folder := inFolder(t)
			clients := []*world{newWorld(t, folder), newWorld(t, folder)}
			for range 20 {
				clients[0].must(clients[0].pushImage(app, "one", tagV1))
				atOnce(4, func(i int) {
					c := clients[i/2]
					if i%2 == 0 {
						if err := tt.remove(t.Context(), c.reg); err != nil && !isUnknown(err) {
							t.Errorf("delete: %v", err)
						}
						return
					}
					err := registrytest.Pusher{To: c.reg}.PushManifest(t.Context(), app, imageOne.Content, tagV1, tagBig)
					var missing *registry.MissingError
					if err != nil && !errors.As(err, &missing) {
						t.Errorf("push: %v", err)
					}
				})
				clients[0].tagsFollowTheManifest(t, clients[1], d)
			}
			clients[0].must(clients[1].pushImage(app, "one", tagV1))
			clients[0].check(clients[1].acknowledged...)
		})
	}
}

// TestImmutableTagsAgainstDelete: of two images that are pushed to one immutable tag while one of them is deleted by its
// digest, the one that was acknowledged is there, and no other one is after it.
func TestImmutableTagsAgainstDelete(t *testing.T) {
	t.Parallel()
	folder := inFolder(t)
	clients := []*world{newWorld(t, folder, immutable), newWorld(t, folder, immutable), newWorld(t, folder, immutable)}
	for round := range 30 {
		tag := ocitest.Tag(fmt.Sprint("v", round))
		one, two := ocitest.Image("base").Note(fmt.Sprint("one ", round)), ocitest.Image("base").Note(fmt.Sprint("two ", round))
		clients[0].must(clients[0].pusher().Push(t.Context(), app, one), clients[0].pushManifest(app, two.Content))
		var acknowledged [2]bool
		atOnce(3, func(i int) {
			var err error
			if i == 2 {
				err = clients[2].reg.DeleteManifest(t.Context(), app, one.Digest, "")
			} else {
				image := []ocitest.Manifest{one, two}[i]
				err = registrytest.Pusher{To: clients[i].reg}.PushManifest(t.Context(), app, image.Content, tag)
				acknowledged[i] = err == nil
			}
			var denied *registry.ImmutableTagError
			if err != nil && !errors.As(err, &denied) {
				t.Errorf("round %d: %v", round, err)
			}
		})
		switch {
		case acknowledged[0] && acknowledged[1]:
			t.Errorf("round %d has two winners", round)
		case acknowledged[0]:
			clients[0].check(registrytest.TagIs(app, tag, one.Digest))
		case acknowledged[1]:
			clients[0].check(registrytest.TagIs(app, tag, two.Digest))
		}
	}
}

// tagsFollowTheManifest asks two processes by name.
func (c *world) tagsFollowTheManifest(t *testing.T, other *world, d oci.Digest) {
	t.Helper()
	_, err := c.reg.GetManifest(t.Context(), app, oci.Reference{Digest: d})
	for _, one := range []*world{c, other} {
		for _, tag := range []oci.Tag{tagV1, tagBig} {
			_, tagErr := one.reg.GetManifest(t.Context(), app, oci.Reference{Tag: tag})
			if isUnknown(err) && !isUnknown(tagErr) {
				t.Errorf("tag %s of a manifest that is gone reads as %v", tag, tagErr)
			}
		}
	}
	if err != nil && !isUnknown(err) {
		t.Errorf("get: %v", err)
	}
}
