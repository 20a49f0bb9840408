package registry_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

// catalog reads the whole catalog page by page.
func (w *world) catalog(n int, show func(oci.Name) bool) (names []string, cursors []registry.Cursor) {
	w.t.Helper()
	for next := new(registry.Cursor); next != nil; {
		page, following, err := w.reg.Catalog(w.ctx, *next, n, show)
		w.must(err)
		names = append(names, page...)
		if next = following; next != nil {
			cursors = append(cursors, *next)
		}
	}
	return names, cursors
}

func TestTheCatalogListsWhatAClientMaySee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	for _, ns := range []string{"b/c", "a", "b", "b0", "hidden", "z"} {
		w.must(w.pushImage(ocitest.Name(ns), "one"))
	}
	w.put("_namespaces/Not A Name", nil)
	show := func(ns oci.Name) bool { return ns.String() != "hidden" }
	want := []string{"a", "b", "b/c", "b0", "z"}
	for n := 1; n < 7; n++ {
		names, cursors := w.catalog(n, show)
		if !slices.Equal(names, want) || len(cursors) != (len(want)-1)/n {
			t.Errorf("pages of %d: got %q and %d cursors, want %q", n, names, len(cursors), want)
		}
	}
	if names, next, err := w.reg.Catalog(w.ctx, registry.Cursor{}, 0, show); len(names) != 0 || next != nil || err != nil {
		t.Errorf("a page of nothing is %q, %v, %v", names, next, err)
	}
}

// TestAPageOfTheCatalogSkipsSoManyNames: then it ends with a cursor that does not tell the hidden name that it is at.
func TestAPageOfTheCatalogSkipsSoManyNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	for i := range 10001 {
		w.put(fmt.Sprintf("_namespaces/hidden%05d", i), nil)
	}
	w.must(w.pushImage(ocitest.Name("shown"), "one"))
	names, cursors := w.catalog(10, func(ns oci.Name) bool { return ns.String() == "shown" })
	if !slices.Equal(names, []string{"shown"}) || len(cursors) == 0 || cursors[0].Last != "" || cursors[0].Sealed == "" {
		t.Errorf("got %q by %d cursors, the first of them %+v, want it sealed", names, len(cursors), cursors[:min(len(cursors), 1)])
	}
}
