package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// hooked is a Store that calls a function before each step, as if somebody else were just then at work.
type hooked struct {
	storage.Store
	before func()
}

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
	return func(yield func(storage.Entry, error) bool) {
		for entry, err := range h.Store.List(ctx, prefix, opts) {
			h.before()
			if !yield(entry, err) {
				return
			}
		}
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

// collector is the collector of the design in its simplest form, without ages: it lists the trash,
// marks, revives what is needed, destroys what is not, and condemns. Between look and act it may stall.
type collector struct {
	t      *testing.T
	store  storage.Store
	trash  []string
	needed map[string]bool
}

// look lists what is condemned and then marks, from drafts first, what is needed.
func (c *collector) look() {
	c.trash, c.needed = nil, map[string]bool{}
	for departed, err := range c.store.Condemned(c.t.Context(), "") {
		c.must(err)
		c.trash = append(c.trash, departed.Key)
	}
	for draft, err := range c.store.Drafts(c.t.Context(), "") {
		c.must(err)
		c.mark(draft.Key, draft.Data)
	}
	for _, key := range c.live() {
		switch {
		case strings.Contains(key, "/_manifests/revisions/"):
			if value, err := c.store.Get(c.t.Context(), key); c.there(err) {
				c.mark(key, value.Data)
			}
		case strings.Contains(key, "/_manifests/tags/"):
			c.markTag(key)
		case strings.Contains(key, "/_manifests/referrers/"):
			c.markReferrer(key)
		case strings.Contains(key, "/_layers/"):
			c.markBytes(key)
		}
	}
}

// mark notes what a revision names. The revision itself is needed only if something else says so.
func (c *collector) mark(key string, data []byte) {
	line, content, _ := bytes.Cut(data, []byte{'\n'})
	var record struct {
		MediaType string `json:"media_type"`
	}
	c.must(json.Unmarshal(line, &record))
	m, err := oci.ParseManifest(record.MediaType, content)
	c.must(err)
	ns, _, _ := strings.Cut(key, "/_manifests/")
	for _, blob := range m.Blobs() {
		link := ns + "/_layers/" + pathOf(blob.Digest)
		c.needed[link] = true
		c.markBytes(link)
	}
	for _, child := range m.Children() {
		c.markRevision(ns + "/_manifests/revisions/" + pathOf(child.Digest))
	}
}

func (c *collector) markRevision(key string) {
	if c.needed[key] {
		return
	}
	c.needed[key] = true
	if value, err := c.store.Get(c.t.Context(), key); c.there(err) {
		c.mark(key, value.Data)
	}
}

func (c *collector) markTag(key string) {
	value, err := c.store.Get(c.t.Context(), key)
	if !c.there(err) {
		return
	}
	var record struct{ Digest oci.Digest }
	c.must(json.Unmarshal(value.Data, &record))
	ns, _, _ := strings.Cut(key, "/_manifests/")
	c.markRevision(ns + "/_manifests/revisions/" + pathOf(record.Digest))
}

// markReferrer keeps a referrer for as long as its entry is there.
func (c *collector) markReferrer(key string) {
	ns, rest, _ := strings.Cut(key, "/_manifests/referrers/")
	algorithm, hex, _ := strings.Cut(rest[strings.LastIndexByte(rest, '/')+1:], "-")
	c.markRevision(ns + "/_manifests/revisions/" + algorithm + "/" + hex)
}

func (c *collector) markBytes(link string) {
	_, rest, _ := strings.Cut(link, "/_layers/")
	algorithm, hex, _ := strings.Cut(rest, "/")
	c.needed["_blobs/"+algorithm+"/"+hex[:2]+"/"+hex] = true
}

// act revives, destroys and condemns, by what look has found.
func (c *collector) act() {
	slices.SortFunc(c.trash, func(a, b string) int { return rank(a) - rank(b) })
	for _, key := range c.trash {
		if c.needed[key] {
			_, err := c.store.Revive(c.t.Context(), key)
			c.there(err)
		}
	}
	for _, key := range c.trash {
		if !c.needed[key] {
			c.there(c.store.Destroy(c.t.Context(), key))
		}
	}
	for _, key := range c.live() {
		if rank(key) < 3 && !c.needed[key] {
			c.there(c.store.Condemn(c.t.Context(), key))
		}
	}
}

func (c *collector) run() {
	c.look()
	c.act()
}

// rank is the order in which things are destroyed; what has none the collector leaves alone.
func rank(key string) int {
	switch {
	case strings.Contains(key, "/_manifests/revisions/"):
		return 0
	case strings.Contains(key, "/_layers/"):
		return 1
	case strings.HasPrefix(key, "_blobs/"):
		return 2
	}
	return 3
}

func (c *collector) live() []string {
	var keys []string
	for entry, err := range c.store.List(c.t.Context(), "", storage.ListOptions{Deep: true}) {
		c.must(err)
		keys = append(keys, entry.Name)
	}
	return keys
}

// there says whether something was found; that it was not is the ordinary lot of a collector.
func (c *collector) there(err error) bool {
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		c.t.Fatalf("collect: %v", err)
	}
	return err == nil
}

func (c *collector) must(err error) {
	if err != nil {
		c.t.Fatalf("collect: %v", err)
	}
}

func pathOf(d oci.Digest) string { return string(d.Algorithm()) + "/" + d.Hex() }
