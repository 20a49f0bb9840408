package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// catalog reads the whole catalog page by page.
func (w *world) catalog(n int, show registry.Show) (names []string, cursors []registry.Cursor) {
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
	show := registrytest.ShowIf(func(ns oci.Name) bool { return ns.String() != "hidden" })
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

// TestACursorNamesWhatIsShown: not the hidden name that the page has come to, neither before the next one that is shown nor
// behind as many as a page skips.
func TestACursorNamesWhatIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMemory(t))
	w.must(w.pushImage(ocitest.Name("a"), "one"), w.pushImage(ocitest.Name("b-hidden"), "one"), w.pushImage(ocitest.Name("c"), "one"), w.pushImage(ocitest.Name("z"), "one"))
	for i := range 10001 {
		w.put(fmt.Sprintf("_namespaces/hidden%05d", i), nil)
	}
	names, cursors := w.catalog(1, registrytest.ShowIf(func(ns oci.Name) bool { return !strings.Contains(ns.String(), "hidden") }))
	var last []string
	for _, cursor := range cursors {
		if cursor.Sealed == "" {
			last = append(last, cursor.Last)
		}
	}
	if !slices.Equal(names, []string{"a", "c", "z"}) || !slices.Equal(last, []string{"a"}) || len(cursors) != 2 {
		t.Errorf("got %q by %+v, want one cursor that names a, and a sealed one", names, cursors)
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
	names, cursors := w.catalog(10, registrytest.ShowIf(func(ns oci.Name) bool { return ns.String() == "shown" }))
	if !slices.Equal(names, []string{"shown"}) || len(cursors) == 0 || cursors[0].Last != "" || cursors[0].Sealed == "" {
		t.Errorf("got %q by %d cursors, the first of them %+v, want it sealed", names, len(cursors), cursors[:min(len(cursors), 1)])
	}
}

// TestAPageOfTheCatalogEndsInTime: what takes long to decide about goes to the next page, and nothing is lost between.
func TestAPageOfTheCatalogEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, inMemory(t))
		var all, shown []string
		for i := range 200 {
			name := fmt.Sprintf("n%03d", i)
			w.put("_namespaces/"+name, nil)
			all = append(all, name)
			if i%3 > 0 {
				shown = append(shown, name)
			}
		}
		for _, tt := range []struct {
			name string
			each time.Duration
			want []string
			odd  bool // those that are not shown are left out
		}{
			{"all are shown", 300 * time.Millisecond, all, false},
			{"some are shown", 300 * time.Millisecond, shown, true},
			{"each takes longer than a page", 3 * time.Second, shown, true},
		} {
			pages := 0
			show := func(names []oci.Name, until time.Time) (decided []bool) {
				for i, name := range names {
					if i > 0 && !time.Now().Before(until) {
						break
					}
					time.Sleep(tt.each) // of the bubble
					decided = append(decided, !tt.odd || slices.Contains(shown, name.String()))
				}
				return decided
			}
			var got []string
			for next := new(registry.Cursor); next != nil; pages++ {
				begun := time.Now()
				page, following, err := w.reg.Catalog(w.ctx, *next, 100, show)
				w.must(err)
				if took := time.Since(begun); took > 2*time.Second+tt.each {
					t.Errorf("%s: a page took %v, want two seconds and one more name", tt.name, took)
				}
				got, next = append(got, page...), following
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %d pages have %d names, want each of the %d once", tt.name, pages, len(got), len(tt.want))
			}
		}
	})
}
