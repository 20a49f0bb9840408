package registry

import (
	"context"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// TestEveryChangeOfAKeyIsCounted: while it is made, and when it is made; and no other key is, but for those that share
// a number with it.
func TestEveryChangeOfAKeyIsCounted(t *testing.T) {
	t.Parallel()
	w := newWrites()
	inner := memory.New(memory.Options{})
	store := &countingWrites{Store: inner, writes: w}
	if store.Unwrap() != storage.Store(inner) {
		t.Error("it wraps another store")
	}
	last := w.changes("a/key")
	for _, tt := range []struct {
		name    string
		do      func(ctx context.Context) error
		changes bool
	}{
		{"put", func(ctx context.Context) error {
			_, err := store.Put(ctx, "a/key", nil, storage.PutOptions{})
			return err
		}, true},
		{"put that fails", func(ctx context.Context) error {
			_, _ = store.Put(ctx, "a/key", nil, storage.PutOptions{IfAbsent: true})
			return nil
		}, true},
		{"read", func(ctx context.Context) error { _, err := store.Get(ctx, "a/key"); return err }, false},
		{"condemn", func(ctx context.Context) error { return store.Condemn(ctx, "a/key") }, true},
		{"revive", func(ctx context.Context) error { _, err := store.Revive(ctx, "a/key"); return err }, false},
		{"condemn again", func(ctx context.Context) error { return store.Condemn(ctx, "a/key") }, true},
		{"destroy", func(ctx context.Context) error { return store.Destroy(ctx, "a/key", storage.DeleteOptions{}) }, true},
		{"prepare and publish", func(ctx context.Context) error {
			draft, err := store.Prepare(ctx, "a/key", nil)
			if err != nil {
				return err
			}
			return draft.Publish(ctx)
		}, true},
		{"delete", func(ctx context.Context) error { return store.Delete(ctx, "a/key", storage.DeleteOptions{}) }, true},
	} {
		if err := tt.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		now := w.changes("a/key")
		if (now != last) != tt.changes || tt.changes && now != last+2 {
			t.Errorf("%s: the number of changes was %d and is %d, want a change: %t", tt.name, last, now, tt.changes)
		}
		last = now
	}
	if err := w.change("a/key", func() error {
		if w.changes("a/key") == last {
			t.Error("while it is changed the number of changes is the one before")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
