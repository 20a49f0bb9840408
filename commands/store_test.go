package commands_test

import (
	"testing"

	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// newEmptyStore makes a store in a folder, as a server does that starts there for the first time.
func newEmptyStore(t *testing.T, root string) *registry.Registry {
	t.Helper()
	store, err := fs.New(fs.Config{Root: root}, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(t.Context(), registry.Options{Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	if err := reg.Maintenance().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return reg
}
