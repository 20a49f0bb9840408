package fs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// TestTheNamesThatAreKeptAreTrue changes a folder through another Store after its names were kept.
func TestTheNamesThatAreKeptAreTrue(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	reader, writer := newStore(t, root), newStore(t, root)
	want := []string{}
	check := func(what string) {
		t.Helper()
		slices.Sort(want)
		for range 3 {
			if got := list(t, reader, "app"); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		put(t, writer, "app/"+name, "x")
		want = append(want, name)
		check("in the tick of the change") // not settled, so nothing may be kept
	}
	for round := range 2 {
		settle(t, reader, "app")
		check("kept")
		put(t, writer, "app/new", "x")
		want = append(want, "new")
		check("after a put")
		settle(t, reader, "app")
		check("kept again")
		if round == 0 {
			must(t, writer.Condemn(t.Context(), "app/new"))
		} else {
			must(t, writer.Delete(t.Context(), "app/new", storage.DeleteOptions{}))
		}
		want = slices.DeleteFunc(want, func(name string) bool { return name == "new" })
		check("after it went")
		must(t, writer.Delete(t.Context(), "app/new", storage.DeleteOptions{}))
	}
}

func list(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	var names []string
	for entry, err := range s.List(t.Context(), prefix, storage.ListOptions{}) {
		must(t, err)
		names = append(names, entry.Name)
	}
	return names
}

// settle waits until a folder has been still for long enough.
func settle(t *testing.T, s storage.Fingerprinter, prefix string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, settled, err := s.Fingerprint(t.Context(), prefix)
		must(t, err)
		if settled {
			return
		}
		<-tick.C
	}
}
