package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/faulty"
)

// tagEntries are the names of all tag entries of a store.
func (w *world) tagEntries() (names []string) {
	w.t.Helper()
	for entry, err := range w.store.List(w.ctx, "", storage.ListOptions{Deep: true}) {
		w.must(err)
		if strings.Contains(entry.Name, "/_manifests/tagged/") {
			names = append(names, entry.Name)
		}
	}
	return names
}

// TestADeleteByDigestLooksAtItsOwnTagsAlone counts what a delete reads in a namespace with a thousand other tags.
func TestADeleteByDigestLooksAtItsOwnTagsAlone(t *testing.T) {
	t.Parallel()
	w, store := newCounting(t)
	w.must(w.reg.Maintenance().Create(w.ctx), w.pushImage(app, "one"), w.pushImage(app, "two"))
	tags := make([]oci.Tag, 1000)
	for i := range tags {
		tags[i] = ocitest.Tag(fmt.Sprint("other", i))
	}
	w.must(w.pushManifest(app, imageTwo.Content, tags...))
	mutable := openWorld(t, store)
	mutable.must(mutable.pushManifest(app, imageOne.Content, tagV1, tagBig))
	for name, deleter := range map[string]*world{"with immutable tags": w, "without": mutable} {
		store.take()
		err := deleter.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "")
		var immutable *registry.ImmutableTagError
		if name == "without" && err != nil || name != "without" && !errors.As(err, &immutable) {
			t.Errorf("%s: %v", name, err)
		}
		reads := 0
		for _, n := range store.take() {
			reads += n
		}
		if reads > 12 {
			t.Errorf("%s: %d reads, want some for each of its two tags", name, reads)
		}
		if name != "without" {
			continue
		}
		w.must(mutable.pushManifest(app, imageOne.Content, tagV1, tagBig))
	}
}

// TestATagHasOneEntry: a push of what the tag stands for writes none, one of something else replaces it, and a delete
// leaves none.
func TestATagHasOneEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	last := ""
	for _, step := range []struct {
		name string
		do   func() error
		want int
		kept bool
	}{
		{"a new tag", func() error { return w.pushImage(app, "one", tagBig) }, 1, false},
		{"the same once more", func() error { return w.pushImage(app, "one", tagBig) }, 1, true},
		{"another image", func() error { return w.pushImage(app, "two", tagBig) }, 1, false},
		{"a delete of the image that it stood for", func() error { return w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "") }, 1, true},
		{"a delete of the tag", func() error { return w.reg.DeleteTag(w.ctx, app, tagBig, "") }, 0, false},
		{"its restore", func() error {
			return second(w.reg.Maintenance().Restore(w.ctx, registry.RestoreOptions{Namespace: app, Tag: tagBig}))
		}, 1, false},
		{"a delete of the image", func() error { return w.reg.DeleteManifest(w.ctx, app, imageTwo.Digest, "") }, 0, false},
	} {
		w.must(step.do())
		names := w.tagEntries()
		now := strings.Join(names, " ")
		if len(names) != step.want || (now == last) != step.kept {
			t.Errorf("%s: the entries are %q, and were %s", step.name, names, last)
		}
		last = now
		w.check()
	}
}

// TestTheEntryOfAStalledPushStays: of an entry that no tag names nobody knows whether its push still runs. So whatever
// others do meanwhile, the tag is found when its push goes on.
func TestTheEntryOfAStalledPushStays(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(w *world) error{
		"another push of it": func(w *world) error { return w.pushImage(app, "one", tagV1) },
		"of it, and a delete": func(w *world) error {
			return errors.Join(w.pushImage(app, "one", tagV1), w.reg.DeleteTag(w.ctx, app, tagV1, ""))
		},
		"another image": func(w *world) error {
			return errors.Join(w.pushImage(app, "two", tagV1), w.reg.DeleteTag(w.ctx, app, tagV1, ""))
		},
		"a delete by digest": func(w *world) error { return w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, "") },
		"of both, by digest": func(w *world) error {
			return errors.Join(w.pushImage(app, "one", tagV1), w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, ""))
		},
		"a run of a collector": func(w *world) error { newCollector(w.t, w.store.(backend)).run(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one"))
			slow := openWorld(t, &putting{Store: w.store, before: "/_manifests/tags/", do: sync.OnceFunc(func() { w.must(meanwhile(w)) })})
			slow.must(slow.pushManifest(app, imageOne.Content, tagV1))
			w.check(registrytest.TagIs(app, tagV1, imageOne.Digest))
			w.must(w.reg.DeleteManifest(w.ctx, app, imageOne.Digest, ""))
			w.acknowledged = nil
			w.check(registrytest.NoTag(app, tagV1))
			if _, err := w.store.Stat(w.ctx, "team/app/_manifests/tags/v1"); !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("the tag is there still: %v", err)
			}
		})
	}
}

// putting does something before an object is put whose key has a part.
type putting struct {
	storage.Store
	before string
	do     func()
}

func (p *putting) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	if strings.Contains(key, p.before) {
		p.do()
	}
	return p.Store.Put(ctx, key, data, opts)
}

// TestAStoreWithoutTagEntries is one that an earlier version of sreg made: its tags are found by a look at all of them,
// until a collector has given each its entry.
func TestAStoreWithoutTagEntries(t *testing.T) {
	t.Parallel()
	for _, collected := range []bool{false, true} {
		t.Run(fmt.Sprint("collected ", collected), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one", tagV1, tagBig))
			w.makeFormat1()
			w = openWorld(t, w.store)
			w.must(w.pushImage(app, "two", ocitest.Tag("new")))
			if collected {
				newCollector(t, w.store.(backend)).run()
				complete, err := w.reg.Maintenance().TagEntriesComplete(w.ctx)
				if names := w.tagEntries(); len(names) != 3 || !complete || err != nil {
					t.Errorf("the entries are %q, complete %t, %v", names, complete, err)
				}
				w.check()
			}
			w.deleteManifest(app, imageOne.Digest)
			for _, key := range []string{"team/app/_manifests/tags/v1", "team/app/_manifests/tags/^l^a^t^e^s^t"} {
				if _, err := w.store.Stat(w.ctx, key); !errors.Is(err, storage.ErrNotExist) {
					t.Errorf("%s is there still: %v", key, err)
				}
			}
		})
	}
}

// makeFormat1 makes a store what the version before tag entries left.
func (w *world) makeFormat1() {
	w.t.Helper()
	for _, name := range w.tagEntries() {
		w.must(w.store.Delete(w.ctx, name, storage.DeleteOptions{}))
	}
	for entry, err := range w.store.List(w.ctx, "team/app/_manifests/tags", storage.ListOptions{}) {
		w.must(err)
		key := "team/app/_manifests/tags/" + entry.Name
		value, err := w.store.Get(w.ctx, key)
		w.must(err)
		before, rest, _ := strings.Cut(string(value.Data), `,"entry":"`)
		_, after, _ := strings.Cut(rest, `"`)
		after, _, _ = strings.Cut(after, `,"sum":"`) // those records have no checksum either
		w.put(key, []byte(before+after+"}"))
	}
	format, err := w.store.Get(w.ctx, "_format")
	w.must(err)
	w.put("_format", []byte(strings.Replace(string(format.Data), `"format":2`, `"format":1`, 1)))
}

// TestTheEntryThatAKilledRemovalLeavesGoesWithTheTrash: also when the tag was pushed again, whose own entry stays.
func TestTheEntryThatAKilledRemovalLeavesGoesWithTheTrash(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"the tag is gone": false, "it was pushed again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one", tagV1))
			left := w.tagEntries()[0]
			w.deleteTag(tagV1)
			w.put(left, nil) // as if the delete had been killed before its last step
			want := 0
			if again {
				w.must(w.pushImage(app, "one", tagV1))
				want = 1
			}
			newCollector(t, w.store).run()
			if names := w.tagEntries(); len(names) != want || want == 1 && names[0] == left {
				t.Errorf("the entries are %q, want %d other than %s", names, want, left)
			}
		})
	}
}

// TestATagIsGoneAlsoIfItsEntryCannotBeRemoved: the delete of the tag has happened, and is answered so. What is left goes
// with the trash entry.
func TestATagIsGoneAlsoIfItsEntryCannotBeRemoved(t *testing.T) {
	t.Parallel()
	stores := newSharedStore(t, inMemory(t))
	w := stores.world()
	w.must(w.pushImage(app, "one", tagV1, tagBig))
	// A delete of a tag writes the trash entry, removes the tag, and then its tag entry.
	broken := stores.faultyWorld(faulty.NewInjector(faulty.Plan{FailAt: 3}))
	if err := broken.reg.DeleteTag(w.ctx, app, tagV1, ""); err != nil {
		t.Errorf("got %v, want that the tag is gone", err)
	}
	w.check(registrytest.NoTag(app, tagV1))
	if got := len(w.tagEntries()); got != 2 {
		t.Errorf("%d tag entries are left, want both", got)
	}
	newCollector(t, stores.open()).run()
	if got := len(w.tagEntries()); got != 1 {
		t.Errorf("%d tag entries are left when the trash is empty, want one", got)
	}
}
