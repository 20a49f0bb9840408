package registry_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// TestALinkFollowsTheBytes moves the bytes of a blob away, as damage does, and brings them back by one
// namespace: the other one's link names the old data key until somebody needs it.
func TestALinkFollowsTheBytes(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	d := ocitest.DigestOf("shared")
	for _, tt := range []struct {
		name    string
		correct func(w *world) error // the link
	}{
		{"by a HEAD", func(w *world) error { _, err := w.reg.StatBlob(w.ctx, app, d); return err }},
		{"by a mount", func(w *world) error { return w.reg.MountBlob(w.ctx, app, other, d) }},
		{"by a push", func(w *world) error { return w.pushBlob(app, "shared") }},
		{"by a manifest", func(w *world) error {
			return w.pushManifest(app, ocitest.ImageOf(ocitest.Config("shared")).Content)
		}},
		{"by a repair", func(w *world) error { return w.reg.Maintenance().CorrectLink(w.ctx, app, d) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inBucket(t, server))
			w.must(w.pushBlob(app, "shared"))
			moved, err := w.reg.Maintenance().MoveAside(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: d}, func(io.Reader) (bool, error) { return false, nil })
			w.must(err)
			w.must(w.pushBlob(other, "shared"))
			if misplaced, err := w.reg.Maintenance().LinkIsMisplaced(w.ctx, app, d); !moved || !misplaced || err != nil {
				t.Fatalf("moved %t, misplaced %t, %v, want both", moved, misplaced, err)
			}
			w.must(registrytest.BlobIs(app, "shared").Holds(w.ctx, w.reg)) // by the blob's own object
			w.must(tt.correct(w))
			if misplaced, err := w.reg.Maintenance().LinkIsMisplaced(w.ctx, app, d); misplaced || err != nil {
				t.Errorf("misplaced %t, %v, want a link to the new data key", misplaced, err)
			}
			if dangling := registrytest.Check(t, w.subject(), registrytest.BlobIs(app, "shared")); len(dangling) > 0 {
				t.Errorf("what is gone is named by %q", strings.Join(dangling, ", "))
			}
		})
	}
}

// TestALinkIsWrittenAgainOnlyIfTheNamespaceHeldTheBlob: a repair opens no blob that a client was not given, or has
// deleted.
func TestALinkIsWrittenAgainOnlyIfTheNamespaceHeldTheBlob(t *testing.T) {
	t.Parallel()
	layer := ocitest.DigestOf("layer one")
	link := registry.Object{Kind: registry.KindLink, Namespace: app, Digest: layer}
	loseLink := func(w *world) { w.must(w.store.Delete(w.ctx, link.Key(), storage.DeleteOptions{})) }
	push := func(w *world) { w.must(w.pushImage(app, "one")); loseLink(w) }
	record := func(missing string) func(w *world) {
		return func(w *world) {
			push(w)
			w.put(revisionOne.Key(), []byte(`{"media_type":"`+imageOne.MediaType+`"`+missing+"}\n"+imageOne.Text))
		}
	}
	for _, tt := range []struct {
		name   string
		before func(w *world)
		want   string // in the error; empty: it is linked
	}{
		{"held when it was pushed", push, ""},
		{"linked already", func(w *world) { w.must(w.pushImage(app, "one")) }, ""},
		{"proposed by a repair that was killed", func(w *world) { push(w); w.put(link.Key(), []byte("a nonce")) }, ""},
		{"with condemned bytes", func(w *world) {
			push(w)
			w.must(w.reg.Maintenance().Condemn(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: layer}))
		}, ""},
		{"deleted by a client", func(w *world) { w.must(w.pushImage(app, "one")); w.deleteBlob("layer one") }, "a client deleted it"},
		{"deleted and proposed", func(w *world) {
			w.must(w.pushImage(app, "one"))
			w.deleteBlob("layer one")
			w.put(link.Key(), []byte("a nonce"))
		}, "a client deleted it"},
		{"missing when it was pushed", record(`,"missing":["` + layer.String() + `"]`), "never held it"},
		{"of a record that does not tell", record(""), "does not tell"},
		{"of another manifest", func(w *world) {
			push(w)
			w.put(revisionOne.Key(), []byte(`{"media_type":"`+imageTwo.MediaType+`","missing":[]}`+"\n"+imageTwo.Text))
		}, "the manifest is damaged"},
		{"of a condemned manifest", func(w *world) { push(w); w.must(w.reg.Maintenance().Condemn(w.ctx, revisionOne)) }, "the manifest is condemned"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t), func(o *registry.Options) { o.Config.MissingReferences = "allow" })
			w.must(w.pushBlob(other, "layer one"))
			tt.before(w)
			err := w.reg.Maintenance().Relink(w.ctx, app, imageOne.Digest, layer)
			linked, existsErr := w.reg.Maintenance().Exists(w.ctx, link)
			w.must(existsErr)
			if linked != (tt.want == "") || linked != (err == nil) {
				t.Errorf("linked %t, %v, want %q", linked, err, tt.want)
			}
			if err != nil && (!errors.Is(err, registry.ErrNoRepair) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestAProposedLinkIsDroppedAndARealOneIsNot also drops it twice.
func TestAProposedLinkIsDroppedAndARealOneIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushBlob(app, "real"))
	proposed := registry.Object{Kind: registry.KindLink, Namespace: app, Digest: ocitest.DigestOf("proposed")}
	w.put(proposed.Key(), []byte("a nonce"))
	m := w.reg.Maintenance()
	for range 2 {
		w.must(m.DropProposal(w.ctx, app, ocitest.DigestOf("real")), m.DropProposal(w.ctx, app, proposed.Digest))
	}
	if _, err := m.Stat(w.ctx, proposed); !errors.Is(err, registry.ErrGone) {
		t.Errorf("the proposed link: got %v, want %v", err, registry.ErrGone)
	}
	w.must(w.pullBlob(app, ocitest.DigestOf("real")))
}

// TestADamagedObjectIsMovedAside: what is intact after all, or gone, stays as it is.
func TestADamagedObjectIsMovedAside(t *testing.T) {
	t.Parallel()
	layer := registry.Object{Kind: registry.KindBlob, Digest: ocitest.DigestOf("layer one")}
	unread := errors.New("it cannot be read")
	for _, tt := range []struct {
		name   string
		intact func(io.Reader) (bool, error)
		moved  bool
		err    error
	}{
		{"damaged", func(io.Reader) (bool, error) { return false, nil }, true, nil},
		{"intact", func(io.Reader) (bool, error) { return true, nil }, false, nil},
		{"unreadable", func(io.Reader) (bool, error) { return false, unread }, false, unread},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one", tagV1))
			m := w.reg.Maintenance()
			moved, err := m.MoveAside(w.ctx, layer, tt.intact)
			if moved != tt.moved || !errors.Is(err, tt.err) {
				t.Errorf("moved %t, %v, want %t, %v", moved, err, tt.moved, tt.err)
			}
			if there, err := m.Exists(w.ctx, layer); there == tt.moved || err != nil {
				t.Errorf("then it is there: %t, %v", there, err)
			}
			if !tt.moved {
				w.check(registrytest.ImageIs(app, imageOne, tagV1)...)
			}
			if moved, err := m.MoveAside(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: ocitest.DigestOf("never there")}, tt.intact); moved || err != nil {
				t.Errorf("what is gone was moved: %t, %v", moved, err)
			}
			w.must(w.pushBlob(app, "layer one"))
			w.check(registrytest.ImageIs(app, imageOne, tagV1)...)
		})
	}
}

// TestADamagedRecordIsMovedAside: then a tag can be pushed again.
func TestADamagedRecordIsMovedAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	tag := registry.Object{Kind: registry.KindTag, Namespace: app, Tag: tagV1}
	w.must(w.pushImage(app, "one", tagV1))
	w.put(tag.Key(), []byte("{"))
	if err := w.pushManifest(app, imageOne.Content, tagV1); !errors.Is(err, registry.ErrDamaged) {
		t.Errorf("a push to a damaged tag: got %v, want %v", err, registry.ErrDamaged)
	}
	for range 2 {
		w.must(w.reg.Maintenance().MoveRecordAside(w.ctx, tag))
	}
	w.must(w.pushManifest(app, imageOne.Content, tagV1))
	w.check(registrytest.ImageIs(app, imageOne, tagV1)...)
}

// TestWhatIsFetchedAgainIsPushed: other bytes than the digest says are refused, and nothing comes to a namespace that
// held nothing.
func TestWhatIsFetchedAgainIsPushed(t *testing.T) {
	t.Parallel()
	layer := ocitest.DigestOf("layer one")
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	w.must(w.pushImage(app, "one", tagV1))
	w.must(w.store.Delete(w.ctx, registry.Object{Kind: registry.KindBlob, Digest: layer}.Key(), storage.DeleteOptions{}), w.store.Delete(w.ctx, revisionOne.Key(), storage.DeleteOptions{}))
	if err := m.Refetch(w.ctx, other, layer, strings.NewReader("layer one")); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("for a namespace without a link: got %v, want %v", err, registry.ErrBlobUnknown)
	}
	if err := m.Refetch(w.ctx, app, layer, strings.NewReader("layer two")); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("other bytes: got %v, want %v", err, registry.ErrDigestMismatch)
	}
	if err := m.RefetchManifest(w.ctx, app, imageOne.Digest, "", strings.NewReader(imageTwo.Text)); !errors.Is(err, registry.ErrDigestMismatch) {
		t.Errorf("another manifest: got %v, want %v", err, registry.ErrDigestMismatch)
	}
	w.must(m.Refetch(w.ctx, app, layer, strings.NewReader("layer one")), m.RefetchManifest(w.ctx, app, imageOne.Digest, "", strings.NewReader(imageOne.Text)))
	w.check(registrytest.ImageIs(app, imageOne, tagV1)...)
	for session := range w.reg.Maintenance().Sessions(w.ctx) {
		t.Errorf("upload %s is left", session.ID)
	}
}

// TestAReferrerEntryIsRebuiltForALiveReferrer: and for nothing else; and one of what is gone is dropped.
func TestAReferrerEntryIsRebuiltForALiveReferrer(t *testing.T) {
	t.Parallel()
	referrer := imageTwo.Refer(imageOne)
	entry := registry.Object{Kind: registry.KindReferrer, Namespace: app, Subject: imageOne.Digest, Digest: referrer.Digest}
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	w.must(w.pushImage(app, "one"), w.pushImage(app, "two"), w.pushManifest(app, referrer.Content))
	w.must(w.store.Delete(w.ctx, entry.Key(), storage.DeleteOptions{}))
	if err := m.RebuildReferrer(w.ctx, app, imageTwo.Digest); !errors.Is(err, registry.ErrNoRepair) {
		t.Errorf("of what refers to nothing: got %v, want %v", err, registry.ErrNoRepair)
	}
	w.must(m.RebuildReferrer(w.ctx, app, referrer.Digest), m.DropReferrer(w.ctx, app, imageOne.Digest, referrer.Digest))
	w.check(registrytest.ReferrerIs(app, imageOne.Digest, referrer.Digest)) // its manifest is there, so it was not dropped
	w.must(m.Condemn(w.ctx, registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: referrer.Digest}))
	if err := m.RebuildReferrer(w.ctx, app, referrer.Digest); !errors.Is(err, registry.ErrNoRepair) {
		t.Errorf("of what is condemned: got %v, want %v", err, registry.ErrNoRepair)
	}
	w.must(w.store.Delete(w.ctx, registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: referrer.Digest}.Key(), storage.DeleteOptions{}))
	for range 2 {
		w.must(m.DropReferrer(w.ctx, app, imageOne.Digest, referrer.Digest))
	}
	w.check(registrytest.NoReferrer(app, imageOne.Digest, referrer.Digest))
}
