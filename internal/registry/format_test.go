package registry_test

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

func TestStoresAreOpenedByTheirFormat(t *testing.T) {
	t.Parallel()
	put := func(blobs, metadata string) func(b, m *world) {
		return func(b, m *world) { b.put("_format", []byte(blobs)); m.put("_format", []byte(metadata)) }
	}
	for _, tt := range []struct {
		name   string
		before func(blobs, metadata *world)
		want   string // in the error; empty: none
	}{
		{"that were created together", put(`{"format":1,"id":"b","metadata":"m"}`, `{"format":1,"id":"m","metadata":"m"}`), ""},
		{"of another metadata store", put(`{"format":1,"id":"b","metadata":"x"}`, `{"format":1,"id":"m","metadata":"m"}`), "belongs to metadata store x"},
		{"of a newer format", put(`{"format":1,"id":"b","metadata":"m"}`, `{"format":3,"id":"m","metadata":"m"}`), "it has format 3 and this sreg reads up to 2"},
		{"of a damaged format", put(`{"format":1,"id":"b","metadata":"m"}`, `{`), "read _format"},
		{"of a format without anything", put(`{}`, `{}`), "_format is damaged: want a format and the ids of the stores"},
		{"of format 0", put(`{"format":1,"id":"b","metadata":"m"}`, `{"format":0,"id":"m","metadata":"m"}`), "_format is damaged"},
		{"of a format below 0", put(`{"format":-5,"id":"b","metadata":"m"}`, `{"format":1,"id":"m","metadata":"m"}`), "_format is damaged"},
		{"of which the metadata store is new", func(b, _ *world) { b.put("_format", []byte(`{"format":1,"id":"b","metadata":"m"}`)) }, "belongs to metadata store m"},
		{"that are new", func(_, _ *world) {}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			blobs, metadata := openWorld(t, inMemory(t)(t)), openWorld(t, inMemory(t)(t))
			tt.before(blobs, metadata)
			_, err := registry.New(t.Context(), registry.Options{
				Blobs: blobs.store, Metadata: metadata.store, Locks: memory.New(), Config: registry.DefaultConfig(),
			})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestAStoreIsCreatedOnce: a second create keeps its format, and until the first one it is none.
func TestAStoreIsCreatedOnce(t *testing.T) {
	t.Parallel()
	w := openWorld(t, inMemory(t)(t))
	for _, want := range []bool{false, true} {
		if created, err := w.reg.Maintenance().Created(w.ctx); created != want || err != nil {
			t.Errorf("created: %t, %v, want %t", created, err, want)
		}
		w.must(w.reg.Maintenance().Create(w.ctx))
	}
	first, err := w.store.Get(w.ctx, "_format")
	w.must(err, w.reg.Maintenance().Create(w.ctx))
	if second, err := w.store.Get(w.ctx, "_format"); err != nil || string(second.Data) != string(first.Data) {
		t.Errorf("the format was %s and is %s, %v", first.Data, second.Data, err)
	}
}

// TestAStoreThatLostItsFormatGetsTheFirstOne: nobody knows which it had, and each format after it is a promise.
func TestAStoreThatLostItsFormatGetsTheFirstOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	m := w.reg.Maintenance()
	w.must(w.store.Delete(w.ctx, "_format", storage.DeleteOptions{}))
	if lost, err := m.LostFormat(w.ctx); lost || err != nil {
		t.Errorf("an empty store has lost its format: %t, %v", lost, err)
	}
	w.must(w.pushImage(app, "one", tagV1))
	if lost, err := m.LostFormat(w.ctx); !lost || err != nil {
		t.Errorf("a store with objects has lost its format: %t, %v", lost, err)
	}
	w.must(m.Create(w.ctx))
	format, err := w.store.Get(w.ctx, "_format")
	if err != nil || !strings.HasPrefix(string(format.Data), `{"format":1,`) {
		t.Errorf("got %s, %v, want format 1", format.Data, err)
	}
}
