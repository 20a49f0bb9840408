package registry_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// hooked is a Store that calls a function before each step, as if somebody else were just then at work.
type hooked struct {
	storage.Store
	before func()
}

func (h *hooked) Unwrap() storage.Store { return h.Store }

func (h *hooked) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	h.before()
	return h.Store.Open(ctx, key)
}

func (h *hooked) Get(ctx context.Context, key string) (storage.Value, error) {
	h.before()
	return h.Store.Get(ctx, key)
}

func (h *hooked) Stat(ctx context.Context, key string) (storage.Info, error) {
	h.before()
	return h.Store.Stat(ctx, key)
}

func (h *hooked) List(ctx context.Context, prefix string, opts storage.ListOptions) iter.Seq2[storage.Entry, error] {
	return hookedList(h.Store.List(ctx, prefix, opts), h.before)
}

// hookedList is a step when it begins, for each item, and at its end.
func hookedList[T any](list iter.Seq2[T, error], before func()) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		before()
		for item, err := range list {
			before()
			if !yield(item, err) {
				return
			}
		}
		before()
	}
}

func (h *hooked) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	h.before()
	return h.Store.Put(ctx, key, data, opts)
}

func (h *hooked) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	h.before()
	return h.Store.Delete(ctx, key, opts)
}

func (h *hooked) Revive(ctx context.Context, key string) (storage.Info, error) {
	h.before()
	return h.Store.Revive(ctx, key)
}

func (h *hooked) Condemn(ctx context.Context, key string) error {
	h.before()
	return h.Store.Condemn(ctx, key)
}

func (h *hooked) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	h.before()
	return h.Store.Destroy(ctx, key, opts)
}

func (h *hooked) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	return hookedList(h.Store.Condemned(ctx, prefix), h.before)
}

func (h *hooked) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	return hookedList(h.Store.Drafts(ctx, prefix), h.before)
}

func (h *hooked) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	h.before()
	p, err := h.Store.Prepare(ctx, key, data)
	return &hookedPending{Pending: p, before: h.before}, err
}

func (h *hooked) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	u, err := h.Store.OpenUpload(ctx, id)
	return &hookedUpload{Upload: u, before: h.before}, err
}

type hookedPending struct {
	storage.Pending
	before func()
}

func (p *hookedPending) Publish(ctx context.Context) error {
	p.before()
	return p.Pending.Publish(ctx)
}

type hookedUpload struct {
	storage.Upload
	before func()
}

func (u *hookedUpload) Commit(ctx context.Context, key string) (storage.Info, error) {
	u.before()
	return u.Upload.Commit(ctx, key)
}

func (u *hookedUpload) Finish(ctx context.Context) (bool, error) {
	u.before()
	return u.Upload.Finish(ctx)
}

// collector is the real one without patience: it has no ages, and a clock that is an hour ahead, so that to
// it everything is old. It can be stopped between its mark and what it does by it, for any time.
type collector struct {
	t        *testing.T
	real     *gc.Collector
	goOn     chan struct{} // closed to let it go on
	finished chan error
}

func newCollector(t *testing.T, store storage.Store, set ...func(*registry.Options)) *collector {
	t.Helper()
	return newPatientCollector(t, store, 0, set...)
}

// newPatientCollector is one that spares what is younger than an age.
func newPatientCollector(t *testing.T, store storage.Store, grace time.Duration, set ...func(*registry.Options)) *collector {
	t.Helper()
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	reg := openWorld(t, store, append(set, func(o *registry.Options) { o.Now = ahead })...).reg
	// No time at all would mean that untagged manifests stay.
	config := gc.Config{Grace: grace, UntaggedAfter: 1, MaxDelete: "100%", Concurrency: 1}
	real, err := gc.New(gc.Options{Registry: reg.Maintenance(), Config: config, Now: ahead})
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t, real: real}
	t.Cleanup(c.act)
	return c
}

// look begins a run, and returns when it has marked.
func (c *collector) look() {
	marked, act, finished := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	c.goOn, c.finished = act, finished
	go func() { // ends with the run, which act waits for
		stopped := false
		_, err := c.real.Run(context.Background(), gc.RunOptions{Progress: func(p gc.Progress) {
			// Uploads are looked for when the mark is over.
			if p.Phase == "uploads" && !stopped {
				stopped = true
				close(marked)
				<-act
			}
		}})
		finished <- err
	}()
	select {
	case <-marked:
	case err := <-finished: // refused
		finished <- err
	}
}

// act lets a run that has marked go on to its end.
func (c *collector) act() {
	if c.finished == nil {
		return
	}
	close(c.goOn)
	err := <-c.finished
	c.finished = nil
	c.ran(err)
}

func (c *collector) run() {
	_, err := c.real.Run(context.Background(), gc.RunOptions{})
	c.ran(err)
}

// ran takes a run that refused for one that had nothing to do: while the first push to a store is under way
// there are blobs and no namespace.
func (c *collector) ran(err error) {
	var refused *gc.RefusedError
	if err != nil && !errors.As(err, &refused) {
		c.t.Errorf("collect: %v", err)
	}
}
