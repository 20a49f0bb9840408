package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// cacheBlobs are two layers and the config of a cache of BuildKit.
var cacheBlobs = []ocitest.Content{ocitest.Layer("cached one"), ocitest.Layer("cached two"), ocitest.Config(`{"layers":[],"records":[]}`)}

// cacheManifests are what `buildctl build --export-cache type=registry,mode=max` writes: an index of blobs, the same with
// oci-mediatypes=false, and an image, which newer versions write and older ones with image-manifest=true.
var cacheManifests = map[string]ocitest.Content{
	"an index": cacheManifest(oci.MediaTypeImageIndex, `"manifests":[`+
		cacheEntry("application/vnd.oci.image.layer.v1.tar+gzip", 0)+","+cacheEntry("application/vnd.oci.image.layer.v1.tar+gzip", 1)+","+
		cacheEntry("application/vnd.buildkit.cacheconfig.v0", 2)+"]"),
	"a manifest list": cacheManifest("application/vnd.docker.distribution.manifest.list.v2+json", `"manifests":[`+
		cacheEntry("application/vnd.docker.image.rootfs.diff.tar.gzip", 0)+","+cacheEntry("application/vnd.docker.image.rootfs.diff.tar.gzip", 1)+","+
		cacheEntry("application/vnd.buildkit.cacheconfig.v0", 2)+"]"),
	"an image": cacheManifest(oci.MediaTypeImageManifest, `"config":`+cacheEntry("application/vnd.buildkit.cacheconfig.v0", 2)+`,"layers":[`+
		cacheEntry("application/vnd.oci.image.layer.v1.tar+gzip", 0)+","+cacheEntry("application/vnd.oci.image.layer.v1.tar+gzip", 1)+"]"),
}

func cacheManifest(mediaType, rest string) ocitest.Content {
	text := `{"schemaVersion":2,"mediaType":"` + mediaType + `",` + rest + `}`
	return ocitest.Content{MediaType: mediaType, Text: text, Digest: ocitest.DigestOf(text)}
}

func cacheEntry(mediaType string, blob int) string {
	b := cacheBlobs[blob]
	annotations := ""
	if !strings.Contains(mediaType, "cacheconfig") {
		annotations = `,"annotations":{"buildkit/createdat":"2026-01-02T03:04:05.678901234Z","containerd.io/uncompressed":"` + b.Digest.String() + `"}`
	}
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, b.Digest, len(b.Text), annotations)
}

// pushCache pushes the blobs and a manifest, and tells what must hold then.
func (w *world) pushCache(m ocitest.Content) (facts []registrytest.Fact) {
	w.t.Helper()
	for _, blob := range cacheBlobs {
		w.must(w.pusher().PushBlob(w.ctx, app, blob))
		facts = append(facts, registrytest.BlobIs(app, blob.Text))
	}
	w.must(w.pushManifest(app, m, tagV1))
	return append(facts, registrytest.ImageIs(app, ocitest.Manifest{Content: m}, tagV1)...)
}

// TestACacheOfBuildKitIsKept: what a digest is, is what the namespace holds under it, wherever it is named.
func TestACacheOfBuildKitIsKept(t *testing.T) {
	t.Parallel()
	for name, m := range cacheManifests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			var missing *registry.MissingError
			if err := w.pushManifest(app, m, tagV1); !errors.As(err, &missing) || len(missing.Digests) != len(cacheBlobs) {
				t.Errorf("without the blobs: %v, want that all of them are missing", err)
			}
			w.must(w.pusher().PushBlob(w.ctx, other, cacheBlobs[0]))
			if err := w.pushManifest(app, m, tagV1); !errors.As(err, &missing) || len(missing.Digests) != len(cacheBlobs) {
				t.Errorf("with a blob in another namespace: %v, want that all of them are missing", err)
			}
			w.must(w.reg.DeleteBlob(w.ctx, other, cacheBlobs[0].Digest, ""))
			facts := w.pushCache(m)
			w.condemnContent()
			w.must(w.pushManifest(app, m, tagV1))
			for range 3 {
				newCollector(t, w.store).run()
			}
			w.check(facts...)
			complete(t, w)

			w.deleteManifest(app, m.Digest)
			for _, blob := range cacheBlobs {
				w.must(w.reg.DeleteBlob(w.ctx, app, blob.Digest, ""))
			}
			_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, DryRun: true})
			w.must(err, restored(w))
			w.check(facts...)
			complete(t, w)
			for range 3 {
				newCollector(t, w.store).run()
			}
			w.check(facts...)

			w.deleteManifest(app, m.Digest)
			w.acknowledged = nil
			for range 3 {
				newCollector(t, w.store).run()
			}
			for _, blob := range cacheBlobs {
				w.check(registrytest.NoBlob(app, blob.Digest))
			}
		})
	}
}

func restored(w *world) error {
	return second(w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, By: "somebody"}))
}

// complete wants that a restore finds nothing to do.
func complete(t *testing.T, w *world) {
	t.Helper()
	done, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1})
	if err != nil || len(done) != 1 || !done[0].Found {
		t.Errorf("a restore of what is there: %+v, %v", done, err)
	}
}
