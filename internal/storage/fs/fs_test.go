package fs_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store { return newStore(t, t.TempDir()) })
}

func TestSyncedStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return create(t, fs.Config{Root: t.TempDir(), Sync: true}, fs.Options{})
	})
}

// TestStores opens two Stores on one folder: to each other they are two processes.
func TestStores(t *testing.T) {
	t.Parallel()
	storagetest.RunShared(t, func(t *testing.T) func() storage.Store {
		root := t.TempDir()
		return func() storage.Store { return newStore(t, root) }
	})
}

func newStore(t testing.TB, root string) *fs.Store {
	t.Helper()
	return create(t, fs.Config{Root: root}, fs.Options{})
}

func create(t testing.TB, cfg fs.Config, opts fs.Options) *fs.Store {
	t.Helper()
	s := open(t, cfg, opts)
	must(t, s.Create(t.Context()))
	return s
}

func open(t testing.TB, cfg fs.Config, opts fs.Options) *fs.Store {
	t.Helper()
	s, err := fs.New(cfg, opts)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s storage.Store, key, data string) {
	t.Helper()
	_, err := s.Put(t.Context(), key, []byte(data), storage.PutOptions{})
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
