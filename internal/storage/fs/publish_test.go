package fs

import (
	"testing"
	"testing/synctest"

	"github.com/sreg-project/sreg/internal/storage"
)

// TestPublishWaitsForWhoLooksAtTheKey: another process has compared a key and is about to rename over it. What is
// published meanwhile must not get lost, so it comes behind that.
func TestPublishWaitsForWhoLooksAtTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const key = "a/key"
		root := t.TempDir()
		ours, theirs := openCreated(t, root), openCreated(t, root)
		if _, err := ours.Put(t.Context(), key, []byte("old"), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		draft, err := ours.Prepare(t.Context(), key, []byte("published"))
		if err != nil {
			t.Fatal(err)
		}
		unlock, err := theirs.stripes.lock(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		published := make(chan error, 1)
		go func() { published <- draft.Publish(t.Context()) }() // ends when the lock is given up
		synctest.Wait()
		want := func(content string) {
			t.Helper()
			if now, err := ours.Get(t.Context(), key); err != nil || string(now.Data) != content {
				t.Errorf("got %q, %v, want %q", now.Data, err, content)
			}
		}
		want("old")
		unlock()
		if err := <-published; err != nil {
			t.Error(err)
		}
		want("published")
	})
}

func openCreated(t *testing.T, root string) *Store {
	t.Helper()
	s, err := New(Config{Root: root}, Options{})
	if err == nil {
		err = s.Create(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
