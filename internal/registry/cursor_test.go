package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
)

// TestACursorIsOfItsStoreAlone: it is sealed, so that no client can write one.
func TestACursorIsOfItsStoreAlone(t *testing.T) {
	t.Parallel()
	hideAll := registrytest.ShowIf(func(oci.Name) bool { return false })
	sealed := func(w *world, name string) string {
		for i := range 10001 {
			w.put(fmt.Sprintf("_namespaces/%s%05d", name, i), nil)
		}
		_, cursors := w.catalog(1, hideAll)
		return cursors[0].Sealed
	}
	w, another := newWorld(t, inMemory(t)), newWorld(t, inMemory(t))
	short, long := sealed(w, "a"), sealed(another, strings.Repeat("long", 50))
	if len(short) != len(long) {
		t.Errorf("sealed names have %d and %d bytes, want the same", len(short), len(long))
	}
	middle := short[:100] + string(short[100]^1) + short[101:]
	for name, text := range map[string]string{"of another store": long, "changed": middle, "cut": short[:20], "no base64": "%"} {
		if _, _, err := w.reg.Catalog(w.ctx, registry.Cursor{Sealed: text}, 1, hideAll); !errors.Is(err, registry.ErrCursor) {
			t.Errorf("%s: got %v, want %v", name, err, registry.ErrCursor)
		}
	}
	w.must(w.store.Delete(w.ctx, "_namespaces/a00000", storage.DeleteOptions{})) // it may go between two pages
	_, _, err := w.reg.Catalog(w.ctx, registry.Cursor{Sealed: short}, 1, hideAll)
	w.must(err)
}
