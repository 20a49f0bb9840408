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

// TestATagIsRemovedOnlyAsItWasRead: also an immutable one, and the trash keeps it with the reason.
func TestATagIsRemovedOnlyAsItWasRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t), immutable)
	m := w.reg.Maintenance()
	w.must(w.pushImage(app, "one", tagV1))
	read, err := m.Tag(w.ctx, app, tagV1)
	w.must(err, w.pushManifest(app, imageOne.Content, tagV1))
	if err := m.RemoveTag(w.ctx, app, read, "retention", "no rule keeps it"); !errors.Is(err, registry.ErrTagChanged) {
		t.Errorf("after another push: got %v, want %v", err, registry.ErrTagChanged)
	}
	read, err = m.Tag(w.ctx, app, tagV1)
	w.must(err, m.RemoveTag(w.ctx, app, read, "retention", "no rule keeps it"))
	if entry := w.entry(registry.KindTag); entry.By != "retention" || entry.Why != "no rule keeps it" || entry.Tag != tagV1 {
		t.Errorf("the trash has %+v", entry)
	}
	if _, err := m.Tag(w.ctx, app, tagV1); !errors.Is(err, registry.ErrGone) {
		t.Errorf("then it is %v, want %v", err, registry.ErrGone)
	}
	if err := openWorld(t, w.store, readOnly).reg.Maintenance().RemoveTag(w.ctx, app, read, "", ""); !errors.Is(err, registry.ErrReadOnly) {
		t.Errorf("of a registry that is read-only: got %v, want %v", err, registry.ErrReadOnly)
	}
}

// TestAKilledDeleteIsFinished: its tags and its referrer entry are removed, unless the manifest was pushed again.
func TestAKilledDeleteIsFinished(t *testing.T) {
	t.Parallel()
	referrer := imageTwo.Refer(imageOne)
	for _, pushed := range []bool{false, true} {
		w := newWorld(t, inMemory(t))
		w.must(w.pushImage(app, "one"), w.pushImage(app, "two"), w.pushManifest(app, referrer.Content, tagV1))
		facts := []registrytest.Fact{registrytest.TagIs(app, tagV1, referrer.Digest), registrytest.ReferrerIs(app, imageOne.Digest, referrer.Digest)}
		if !pushed {
			key := registry.Object{Kind: registry.KindManifest, Namespace: app, Digest: referrer.Digest}.Key()
			w.must(w.store.Delete(w.ctx, key, storage.DeleteOptions{}))
			facts = []registrytest.Fact{registrytest.NoTag(app, tagV1), registrytest.NoReferrer(app, imageOne.Digest, referrer.Digest)}
		}
		for range 2 {
			w.must(w.reg.Maintenance().FinishRemoval(w.ctx, app, referrer.Digest, imageOne.Digest, []oci.Tag{tagV1, tagBig}, "gc"))
			if dangling := w.check(facts...); len(dangling) > 0 {
				t.Errorf("pushed again %t: what is gone is named by %q", pushed, dangling)
			}
		}
	}
}

// TestUploadsEndWhenTheyHaveExpired: but not while somebody writes to one, and one without a label as all others.
func TestUploadsEndWhenTheyHaveExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // ending a busy one waits for a while
		now := time.Now()
		w := newWorld(t, inMemory(t), func(o *registry.Options) { o.Now = func() time.Time { return now } })
		m := w.reg.Maintenance()
		var ids []string
		for range 2 {
			upload, err := w.reg.StartUpload(w.ctx, app, oci.SHA256, "bob")
			w.must(err)
			ids = append(ids, upload.ID)
		}
		w.must(w.store.CreateUpload(w.ctx, "without-a-label", nil))
		expired := func() (list []string) {
			for session, err := range m.Sessions(w.ctx) {
				w.must(err)
				if session.Expired {
					list = append(list, session.ID)
				}
				if labelled := session.ID != "without-a-label"; labelled != (session.Namespace == app) {
					t.Errorf("%s is of namespace %q", session.ID, session.Namespace)
				}
			}
			slices.Sort(list)
			return list
		}
		if got := expired(); len(got) > 0 {
			t.Errorf("expired at once: %q", got)
		}
		now = now.Add(registry.DefaultConfig().UploadTTL + time.Hour)
		if got, want := expired(), append(slices.Sorted(slices.Values(ids)), "without-a-label"); !slices.Equal(got, want) {
			t.Errorf("expired: got %q, want %q", got, want)
		}
		busy, err := w.store.OpenUpload(w.ctx, ids[0])
		w.must(err)
		defer busy.Close()
		if _, err := m.ExpireUploads(w.ctx); err != nil {
			t.Errorf("while somebody writes: %v", err)
		}
		w.must(busy.Close())
		if ended, err := m.ExpireUploads(w.ctx); ended != 1 || err != nil || len(expired()) > 0 {
			t.Errorf("ended %d, %v, want the one that was busy", ended, err)
		}
		if _, err := w.reg.UploadStatus(w.ctx, app, ids[1]); !errors.Is(err, registry.ErrUploadUnknown) {
			t.Errorf("an upload that has ended: got %v, want %v", err, registry.ErrUploadUnknown)
		}
		w.must(m.EndSession(w.ctx, registry.Session{ID: ids[1]})) // once more
		if err := w.pullBlob(app, ocitest.DigestOf("")); !errors.Is(err, registry.ErrBlobUnknown) {
			t.Errorf("an expired upload has left a blob: %v", err)
		}
	})
}
