package registry_test

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// newMirrorWorld has the repository team, which an upstream fills: app is a namespace of it.
func newMirrorWorld(t *testing.T, set ...func(*registry.Options)) *world {
	t.Helper()
	mirror := func(o *registry.Options) { o.Repositories = []registry.RepositoryConfig{{Name: "team", Mirror: true}} }
	return newWorld(t, inMemory(t), append(set, mirror)...)
}

// fillImage is pushImage as a cache does it, with the layer in two chunks.
func (w *world) fillImage(fill registry.Fill, ns oci.Name, name string, tags ...oci.Tag) error {
	w.t.Helper()
	for _, content := range []string{"config " + name, "layer " + name} {
		upload, err := fill.StartUpload(w.ctx, ns, oci.SHA256, "")
		if err != nil {
			return err
		}
		if _, err := fill.AppendUpload(w.ctx, ns, upload.ID, chunkOf(content[:3])); err != nil {
			return err
		}
		if err := fill.CompleteUpload(w.ctx, ns, upload.ID, chunkOf(content[3:]), ocitest.DigestOf(content)); err != nil {
			return err
		}
	}
	return registrytest.Pusher{To: fill}.PushManifest(w.ctx, ns, ocitest.Image(name).Content, tags...)
}

func TestAMirrorTakesNoWriteOfAClient(t *testing.T) {
	t.Parallel()
	w := newMirrorWorld(t)
	w.must(w.fillImage(w.reg.Fill(), app, "one", tagV1), w.pushBlob(other, "shared"))
	session, err := w.reg.Fill().StartUpload(w.ctx, app, oci.SHA256, "")
	w.must(err)

	for name, write := range map[string]func() error{
		"start of an upload": func() error {
			_, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "bob")
			return err
		},
		"chunk": func() error {
			_, err := w.reg.AppendUpload(w.ctx, app, session.ID, chunkOf("x"))
			return err
		},
		"end of an upload": func() error {
			return w.reg.CompleteUpload(w.ctx, app, session.ID, chunkOf("x"), ocitest.DigestOf("x"))
		},
		"cancelled upload": func() error { return w.reg.CancelUpload(w.ctx, app, session.ID, nil) },
		"mount":            func() error { return w.reg.MountBlob(w.ctx, app, other, ocitest.DigestOf("shared")) },
		"manifest":         func() error { return w.pushManifest(app, imageOne.Content, tagBig) },
		"deleted manifest": func() error { return w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "bob") },
		"deleted tag":      func() error { return w.reg.DeleteTag(w.ctx, app, tagV1, "bob") },
		"deleted blob":     func() error { return w.reg.DeleteBlob(w.ctx, app, ocitest.DigestOf("layer one"), "bob") },
	} {
		if err := write(); !errors.Is(err, registry.ErrMirror) {
			t.Errorf("%s: got %v, want ErrMirror", name, err)
		}
	}
	w.must(w.reg.Fill().CancelUpload(w.ctx, app, session.ID))
	registrytest.Check(t, w.subject(), registrytest.ImageIs(app, imageOne, tagV1)...)

	t.Log("what it holds may be mounted elsewhere")
	w.must(w.reg.MountBlob(w.ctx, other, app, ocitest.DigestOf("layer one")))
}

func TestAFillWritesIntoMirrorsAlone(t *testing.T) {
	t.Parallel()
	w := newMirrorWorld(t)
	if err := w.fillImage(w.reg.Fill(), other, "one"); err == nil {
		t.Error("a fill has written into a repository of clients")
	}
	if err := (registrytest.Pusher{To: w.reg.Fill()}).PushManifest(w.ctx, other, ocitest.Index().Content); err == nil {
		t.Error("a fill has put a manifest into a repository of clients")
	}
	w = newMirrorWorld(t, readOnly)
	if err := w.fillImage(w.reg.Fill(), app, "one"); !errors.Is(err, registry.ErrReadOnly) {
		t.Errorf("fill of a registry that is read-only: got %v, want ErrReadOnly", err)
	}
}

func TestAMirrorTakesARestore(t *testing.T) {
	t.Parallel()
	w := newMirrorWorld(t)
	w.must(w.fillImage(w.reg.Fill(), app, "one", tagV1))
	tag, err := w.reg.Maintenance().Tag(w.ctx, app, tagV1)
	w.must(err)
	w.must(w.reg.Maintenance().RemoveTag(w.ctx, app, tag, "retention", "a rule"))
	_, err = w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagV1, By: "operator"})
	w.must(err)
	registrytest.Check(t, w.subject(), registrytest.ImageIs(app, imageOne, tagV1)...)
}
