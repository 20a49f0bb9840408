package storagetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

var listProofs = []proof{
	{"list yields lexical order of bytes, folders with a slash or deep", tryListOrder},
	{"list starts after a name, whether it exists or not", tryListAfter},
	{"the prefix names a folder, which need not exist", tryListPrefix},
	{"list yields live objects only", tryListLive},
	{"list can be left early", tryListEarly},
	{"list yields what stands throughout, once, whatever comes and goes", tryListInMotion},
	{"list shows every change at once", tryListFresh},
	{"list ends after the first error", tryListError},
}

func tryListOrder(t *testing.T, s storage.Store) {
	for _, key := range []string{"p/a0", "p/a/y", "p/a/x/1", "p/a-b", "p/a.b", "p/A", "p/ab/c", "q", "p/a~"} {
		put(t, s, key, "")
	}
	wantNames(t, s, "p", storage.ListOptions{}, "A", "a-b", "a.b", "a/", "a0", "ab/", "a~")
	wantNames(t, s, "p", storage.ListOptions{Deep: true}, "A", "a-b", "a.b", "a/x/1", "a/y", "a0", "ab/c", "a~")
	wantNames(t, s, "", storage.ListOptions{}, "p/", "q")
	wantNames(t, s, "", storage.ListOptions{Deep: true}, "p/A", "p/a-b", "p/a.b", "p/a/x/1", "p/a/y", "p/a0", "p/ab/c", "p/a~", "q")
}

// tryListAfter compares every page with the end of the whole list.
func tryListAfter(t *testing.T, s storage.Store) {
	random := rand.New(rand.NewPCG(1, 2))
	components := []string{"a", "a-", "a.b", "a0", "b", "~", "A", "_x"}
	for range 60 {
		key := "p"
		for range 1 + random.IntN(3) {
			key += "/" + components[random.IntN(len(components))] + "f" // no key is a prefix of another:
		}
		put(t, s, key+"/leaf", "") // only leaves are objects
	}
	for _, deep := range []bool{false, true} {
		whole := names(t, s, "p", storage.ListOptions{Deep: deep})
		if !slices.IsSorted(whole) || len(slices.Compact(slices.Clone(whole))) != len(whole) {
			t.Fatalf("list is not in order, or holds a name twice: %q", whole)
		}
		for _, name := range whole {
			for _, after := range []string{name, name + "x", name[:len(name)-1], strings.TrimSuffix(name, "/"), name + "/", "0", "zz"} {
				if after == "" {
					continue
				}
				i, found := slices.BinarySearch(whole, after)
				if found {
					i++
				}
				wantNames(t, s, "p", storage.ListOptions{After: after, Deep: deep}, whole[i:]...)
			}
		}
	}
}

func tryListPrefix(t *testing.T, s storage.Store) {
	put(t, s, "p/a/x", "")
	put(t, s, "p/ab", "")
	wantNames(t, s, "p/a", storage.ListOptions{}, "x")
	wantNames(t, s, "p/none", storage.ListOptions{})
	wantNames(t, s, "none/at/all", storage.ListOptions{Deep: true})
	wantNames(t, s, "p/ab", storage.ListOptions{})
}

func tryListLive(t *testing.T, s storage.Store) {
	for _, key := range []string{"p/live", "p/condemned", "p/deleted", "p/revived"} {
		put(t, s, key, "x")
	}
	condemn(t, s, "p/condemned")
	condemn(t, s, "p/revived")
	remove(t, s, "p/deleted")
	revive(t, s, "p/revived")
	if _, err := s.Prepare(t.Context(), "p/pending", []byte("x")); err != nil {
		t.Fatal(err)
	}
	appendTo(t, newUpload(t, s, "session", "x"), "x")
	wantNames(t, s, "p", storage.ListOptions{}, "live", "revived")
	wantNames(t, s, "", storage.ListOptions{Deep: true}, "p/live", "p/revived")
	wantNames(t, s, "", storage.ListOptions{}, "p/")
}

func tryListEarly(t *testing.T, s storage.Store) {
	for i := range 20 {
		put(t, s, fmt.Sprintf("p/%d/%02d", i%2, i), "")
	}
	for _, deep := range []bool{false, true} {
		for entry, err := range s.List(t.Context(), "p", storage.ListOptions{Deep: deep}) {
			if err != nil || !strings.HasPrefix(entry.Name, "0/") {
				t.Errorf("first entry = %q, %v, want the first of 0/", entry.Name, err)
			}
			break
		}
	}
	for _, key := range []string{"p/0/00", "p/1/01"} {
		condemn(t, s, key)
	}
	for range s.Condemned(t.Context(), "") {
		break
	}
	for range s.Drafts(t.Context(), "") {
		break
	}
	for range s.ListUploads(t.Context()) {
		break
	}
}

func tryListInMotion(t *testing.T, s storage.Store) {
	var want []string
	for i := range 50 {
		name := fmt.Sprintf("%d/stays-%02d", i/10, i)
		want = append(want, name)
		put(t, s, "p/"+name, "")
	}
	race(3, func(worker int) {
		for i := range 30 {
			if worker > 0 {
				key := fmt.Sprintf("p/%d/goes-%d-%d", i%6, worker, i)
				put(t, s, key, "x")
				remove(t, s, key)
				continue
			}
			got := slices.DeleteFunc(names(t, s, "p", storage.ListOptions{Deep: true}), func(name string) bool {
				return strings.Contains(name, "goes")
			})
			if !slices.Equal(got, want) {
				t.Errorf("list while others write\n got %q\nwant %q", got, want)
			}
		}
	})
}

// tryListFresh lets what a Store may cache settle first.
func tryListFresh(t *testing.T, s storage.Store) {
	put(t, s, "p/a", "x")
	settle(t, s, "p")
	for _, step := range []struct {
		do   func()
		want []string
	}{
		{func() {}, []string{"a"}},
		{func() { put(t, s, "p/b", "") }, []string{"a", "b"}},
		{func() { condemn(t, s, "p/a") }, []string{"b"}},
		{func() { remove(t, s, "p/b") }, nil},
		{func() { revive(t, s, "p/a") }, []string{"a"}},
		{func() { put(t, s, "p/c/d", "") }, []string{"a", "c/"}},
	} {
		step.do()
		wantNames(t, s, "p", storage.ListOptions{}, step.want...)
		wantNames(t, s, "p", storage.ListOptions{}, step.want...) // by a cache, if there is one
	}
}

func tryListError(t *testing.T, s storage.Store) {
	put(t, s, "p/a", "")
	put(t, s, "p/b", "")
	for _, prefix := range []string{"/", "p/", "../p", "p//a", "."} {
		calls := 0
		for _, err := range s.List(t.Context(), prefix, storage.ListOptions{}) {
			calls++
			wantError(t, fmt.Sprintf("list %q", prefix), err, storage.ErrKey)
		}
		if calls != 1 {
			t.Errorf("list %q yielded %d times, want one error", prefix, calls)
		}
	}
}
