package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// operation is one of everything that a client can ask a Registry to change.
type operation struct {
	name string
	// before prepares the stores and returns what must hold whatever becomes of the operation.
	before func(w *world) []registrytest.Fact
	// do is the operation. It notes what was acknowledged on the way.
	do func(w *world) error
	// removes says that the operation may leave names of what is gone, which read as absent.
	removes bool
}

var operations = []operation{
	{
		name:   "push of an image with two tags",
		before: nothing,
		do:     func(w *world) error { return w.pushImage(app, "one", tagV1, tagBig) },
	},
	{
		name:   "push of an image that is there already",
		before: func(w *world) []registrytest.Fact { return w.must(w.pushImage(app, "one", tagV1)) },
		do:     func(w *world) error { return w.pushImage(app, "one", tagV1) },
	},
	{
		name:   "push of an image that a collector has condemned",
		before: condemnedImage,
		do:     func(w *world) error { return w.pushImage(app, "one", tagV1) },
	},
	{
		name:   "push of a manifest whose blobs are found condemned",
		before: condemnedImage,
		do:     pushFoundImage,
	},
	{
		name: "push of another image to a tag",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1))
			return []registrytest.Fact{
				registrytest.ManifestIs(app, imageOne.Text),
				registrytest.TagIs(app, tagV1, imageOne.Digest, imageTwo.Digest),
			}
		},
		do: func(w *world) error { return w.pushImage(app, "two", tagV1) },
	},
	{
		name:   "push of an index",
		before: func(w *world) []registrytest.Fact { return w.must(w.pushImage(app, "one")) },
		do:     pushIndex,
	},
	{
		name: "push of an index of blobs",
		before: func(w *world) []registrytest.Fact {
			for _, blob := range cacheBlobs {
				w.must(w.pusher().PushBlob(w.ctx, app, blob))
			}
			return w.acknowledged
		},
		do: func(w *world) error { return w.pushManifest(app, cacheManifests["an index"], tagV1) },
	},
	{
		name:   "push of a referrer",
		before: func(w *world) []registrytest.Fact { return w.must(w.pushImage(app, "one", tagV1)) },
		do:     pushReferrer,
	},
	{
		name:   "chunked upload",
		before: nothing,
		do:     chunkedUpload,
	},
	{
		name:   "mount",
		before: func(w *world) []registrytest.Fact { return w.must(w.pushBlob(other, "shared")) },
		do: func(w *world) error {
			err := w.reg.MountBlob(w.ctx, app, other, ocitest.DigestOf("shared"))
			return w.ack(err, registrytest.BlobIs(app, "shared"))
		},
	},
	{
		name: "mount of a blob that a collector has condemned",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushBlob(other, "shared"))
			w.condemnAll()
			return nil
		},
		do: func(w *world) error {
			err := w.reg.MountBlob(w.ctx, app, other, ocitest.DigestOf("shared"))
			return w.ack(err, registrytest.BlobIs(app, "shared"))
		},
	},
	{
		name:   "an upload that is cancelled",
		before: nothing,
		do: func(w *world) error {
			upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "somebody")
			if err != nil {
				return err
			}
			if _, err := w.reg.AppendUpload(w.ctx, app, upload.ID, chunkOf("half")); err != nil {
				return err
			}
			return w.reg.CancelUpload(w.ctx, app, upload.ID, nil)
		},
	},
	{
		name: "delete of a blob",
		before: func(w *world) []registrytest.Fact {
			return w.must(w.pushBlob(other, "one"), w.pushBlob(app, "one"))[:1]
		},
		do: func(w *world) error {
			d := ocitest.DigestOf("one")
			return w.ack(w.reg.DeleteBlob(w.ctx, app, d, "somebody"), registrytest.NoBlob(app, d))
		},
		removes: true,
	},
	{
		name: "delete of a tag",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1, tagBig))
			return []registrytest.Fact{
				registrytest.ManifestIs(app, imageOne.Text),
				registrytest.TagIs(app, tagBig, imageOne.Digest),
			}
		},
		do: func(w *world) error {
			return w.ack(w.reg.DeleteTag(w.ctx, app, tagV1, "somebody"), registrytest.NoTag(app, tagV1))
		},
		removes: true,
	},
	{
		name: "delete of a manifest with its tags",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1, tagBig))
			facts := w.acknowledged[:2] // its blobs
			w.acknowledged = nil
			return append(facts, w.must(w.pushImage(other, "one", tagV1))...)
		},
		do: func(w *world) error {
			return w.ack(w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "somebody"),
				registrytest.NoManifest(app, imageOne.Digest), registrytest.NoTag(app, tagV1), registrytest.NoTag(app, tagBig))
		},
		removes: true,
	},
	{
		name: "delete of a referrer",
		before: func(w *world) []registrytest.Fact {
			facts := w.must(w.pushImage(app, "one", tagV1))
			w.must(pushReferrer(w))
			return facts
		},
		do: func(w *world) error {
			d := sbomOfOne.Digest
			return w.ack(w.reg.DeleteManifest(w.ctx, app, d, "somebody"),
				registrytest.NoManifest(app, d), registrytest.NoReferrer(app, imageOne.Digest, d))
		},
		removes: true,
	},
	{
		name:   "first record of pulls",
		before: func(w *world) []registrytest.Fact { return w.must(w.pushImage(app, "one", tagV1)) },
		do:     recordPull,
	},
	{
		name: "record of pulls beside an earlier one",
		before: func(w *world) []registrytest.Fact {
			facts := w.must(w.pushImage(app, "one", tagV1, tagBig))
			noted := time.Now()
			w.reg.NotePull(app, oci.Reference{Tag: tagBig}, imageOne.Digest)
			w.must(recordPulls(w.reg))
			return append(facts, pulled(app, tagBig, imageOne.Digest, noted))
		},
		do: recordPull,
	},
	{
		name: "dropping the pulls of what is gone",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1, tagBig))
			now := time.Now()
			for _, tag := range []oci.Tag{tagV1, tagBig} {
				w.reg.NotePull(app, oci.Reference{Tag: tag}, imageOne.Digest)
			}
			w.must(recordPulls(w.reg), w.reg.DeleteTag(w.ctx, app, tagBig, ""))
			return []registrytest.Fact{pulled(app, tagV1, imageOne.Digest, now)}
		},
		do: func(w *world) error {
			err := w.reg.Maintenance().PrunePulls(w.ctx, app, keepNone[oci.Tag], keepNone[oci.Digest])
			return w.ack(err, neverPulled(app, tagBig))
		},
	},
	{
		name: "restore after the delete of a manifest, by a tag of it",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1, tagBig))
			facts := w.acknowledged[:2] // its blobs
			w.must(w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "somebody"))
			return facts
		},
		do: restoreTag,
	},
	{
		name: "restore after the delete of a manifest and of its layer, which a collector has condemned",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1))
			w.must(w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "somebody"))
			w.must(w.reg.DeleteBlob(w.ctx, app, ocitest.DigestOf("layer one"), "somebody"))
			w.condemnContent()
			return nil
		},
		do: restoreTag,
	},
	{
		name: "restore after all deletes in a namespace",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one"), pushIndex(w), pushReferrer(w))
			for _, d := range []oci.Digest{indexOfOne.Digest, imageOne.Digest, sbomOfOne.Digest} {
				w.must(w.reg.DeleteManifest(w.ctx, app, d, "somebody"))
			}
			return nil
		},
		do: func(w *world) error {
			_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, By: "somebody"})
			if errors.Is(err, registry.ErrNotInTrash) {
				err = nil // it is all back
			}
			return w.ack(err, registrytest.ManifestIs(app, imageOne.Text), registrytest.TagIs(app, tagV1, indexOfOne.Digest),
				registrytest.ReferrerIs(app, imageOne.Digest, sbomOfOne.Digest))
		},
	},
	{
		name: "return of a tag to a former value",
		before: func(w *world) []registrytest.Fact {
			w.must(w.pushImage(app, "one", tagV1), w.pushImage(app, "two", tagV1))
			return []registrytest.Fact{
				registrytest.ManifestIs(app, imageTwo.Text),
				registrytest.TagIs(app, tagV1, imageOne.Digest, imageTwo.Digest),
			}
		},
		do: func(w *world) error {
			_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, Digest: imageOne.Digest, By: "somebody"})
			return w.ack(err, registrytest.TagIs(app, tagV1, imageOne.Digest))
		},
	},
}

func restoreTag(w *world) error {
	_, err := w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, By: "somebody"})
	return w.ack(err, registrytest.ImageIs(app, imageOne, tagV1)...)
}

func nothing(*world) []registrytest.Fact { return nil }

// condemnedImage is an image of which a collector has condemned every object.
func condemnedImage(w *world) []registrytest.Fact {
	w.must(w.pushImage(app, "one", tagV1))
	w.condemnAll()
	return nil
}

// pushFoundImage pushes as a client does that asks first: what a HEAD has found is not sent.
func pushFoundImage(w *world) error {
	for _, content := range []string{"config one", "layer one"} {
		d := ocitest.DigestOf(content)
		_, err := w.reg.StatBlob(w.ctx, app, d)
		if err := w.ack(err, registrytest.BlobIs(app, content)); err != nil {
			return err
		}
	}
	return w.pushManifest(app, imageOne.Content, tagV1)
}

func pushIndex(w *world) error {
	return w.pushManifest(app, indexOfOne.Content, tagV1)
}

func pushReferrer(w *world) error {
	err := w.pushManifest(app, sbomOfOne.Content)
	return w.ack(err, registrytest.ReferrerIs(app, imageOne.Digest, sbomOfOne.Digest))
}

func chunkedUpload(w *world) error {
	upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "somebody")
	if err != nil {
		return err
	}
	whole := ""
	for i := range 3 {
		piece := strings.Repeat(fmt.Sprint(i), 1000)
		if _, err := w.reg.AppendUpload(w.ctx, app, upload.ID, registry.Chunk{Body: strings.NewReader(piece), Start: int64(len(whole))}); err != nil {
			return err
		}
		whole += piece
	}
	last := registry.Chunk{Body: strings.NewReader("end"), Start: int64(len(whole))}
	whole += "end"
	err = w.reg.CompleteUpload(w.ctx, app, upload.ID, last, ocitest.DigestOf(whole))
	return w.ack(err, registrytest.BlobIs(app, whole))
}
