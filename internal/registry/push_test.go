package registry_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// counting is a Store that counts how often an object or a session is read.
type counting struct {
	storage.Store
	mu    sync.Mutex
	reads map[string]int
}

func (c *counting) read(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads[what]++
}

func (c *counting) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	reads := maps.Clone(c.reads)
	clear(c.reads)
	return reads
}

func (c *counting) Get(ctx context.Context, key string) (storage.Value, error) {
	c.read(key)
	return c.Store.Get(ctx, key)
}

func (c *counting) Stat(ctx context.Context, key string) (storage.Info, error) {
	c.read(key)
	return c.Store.Stat(ctx, key)
}

func (c *counting) StatUpload(ctx context.Context, id string) (storage.Session, []byte, error) {
	c.read(id)
	return c.Store.StatUpload(ctx, id)
}

func (c *counting) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	c.read(id)
	return c.Store.OpenUpload(ctx, id)
}

// newCounting is a Registry, with immutable tags, that counts what it reads.
func newCounting(t *testing.T) (*world, *counting) {
	t.Helper()
	store := &counting{Store: inMemory(t)(t), reads: map[string]int{}}
	return openWorld(t, store, immutable), store
}

func TestAnImmutableTagIsReadOnceInAPush(t *testing.T) {
	t.Parallel()
	const key = "team/app/_manifests/tags/v1"
	w, store := newCounting(t)
	for _, push := range []string{"a new tag", "the same image once more"} {
		w.must(w.pushImage(app, "one", tagV1))
		if reads := store.take()[key]; reads != 1 {
			t.Errorf("%s: the tag was read %d times, want once", push, reads)
		}
	}
	w.must(w.pushImage(app, "two"))
	var immutable *registry.ImmutableTagError
	if err := w.pushManifest(app, imageTwo.Content, tagV1); !errors.As(err, &immutable) {
		t.Errorf("another image: got %v, want an ImmutableTagError", err)
	}
}

// TestATagThatChangesBehindItsReadIsReadAgain: another pusher is faster between the first read of an immutable
// tag and the write.
func TestATagThatChangesBehindItsReadIsReadAgain(t *testing.T) {
	t.Parallel()
	w, _ := newCounting(t)
	w.must(w.pushImage(app, "one"), w.pushImage(app, "two"))
	store := &racing{Store: w.store}
	fast, slow := openWorld(t, store), openWorld(t, store, immutable)
	store.prepare = func() { w.must(fast.pushManifest(app, imageTwo.Content, tagV1)) }
	err := slow.pushManifest(app, imageOne.Content, tagV1)
	var immutable *registry.ImmutableTagError
	if !errors.As(err, &immutable) || immutable.Now != imageTwo.Digest {
		t.Errorf("got %v, want that the tag stands for the other image by now", err)
	}
	w.wantPull(tagV1, imageTwo.Digest)
}

// racing does something once, when a manifest is about to be prepared.
type racing struct {
	storage.Store
	prepare func()
}

func (r *racing) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	if first := r.prepare; first != nil {
		r.prepare = nil
		first()
	}
	return r.Store.Prepare(ctx, key, data)
}

// TestWhatAPushRevivesItRevivesWithWhatThatNames: a collector condemns a revision, and then what it names, just before a
// push looks at the revision for the last time.
func TestWhatAPushRevivesItRevivesWithWhatThatNames(t *testing.T) {
	t.Parallel()
	for name, push := range map[string]func(w *world) error{
		"the manifest that is pushed": func(w *world) error { return w.pushImage(app, "one", tagV1) },
		"a child of an index":         pushIndex,
		"the manifest of a restored tag": func(w *world) error {
			return errors.Join(w.reg.DeleteTag(w.ctx, app, tagV1, ""), restoreTag(w))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMemory(t))
			w.must(w.pushImage(app, "one", tagV1))
			condemned := sync.OnceFunc(w.condemnContent)
			late := openWorld(t, &reviving{Store: w.store, before: func(key string) {
				if strings.HasSuffix(key, "/_manifests/revisions/"+pathOf(imageOne.Digest)) {
					condemned()
				}
			}})
			late.must(push(late))
			for one, err := range w.store.Condemned(t.Context(), "") {
				t.Errorf("%s, %v is condemned still", one.Key, err)
			}
		})
	}
}

// reviving calls a function before something is revived.
type reviving struct {
	storage.Store
	before func(key string)
}

func (r *reviving) Revive(ctx context.Context, key string) (storage.Info, error) {
	r.before(key)
	return r.Store.Revive(ctx, key)
}
