package registry

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

// FuzzTagEscape: the component of a tag leads back to the tag, sorts as the tag does, and differs from
// that of every other tag also where a file system folds case.
func FuzzTagEscape(f *testing.F) {
	for _, pair := range [][2]string{
		{"latest", "LATEST"},
		{"v1", "V1"},
		{"a", "B"},
		{"A", "_"},
		{"Z", "a"},
		{"9", "A"},
		{"aB", "ab"},
		{"AA", "Aa"},
		{"1.0", "1.0-rc"},
		{strings.Repeat("A", 127), strings.Repeat("A", 126) + "a"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		tagA, errA := oci.ParseTag(a)
		tagB, errB := oci.ParseTag(b)
		if errA != nil || errB != nil {
			return
		}
		for _, tag := range []oci.Tag{tagA, tagB} {
			if back, err := unescapeTag(escapeTag(tag.String())); back != tag || err != nil {
				t.Errorf("%s is written %q and read %s, %v", tag, escapeTag(tag.String()), back, err)
			}
		}
		escapedA, escapedB := escapeTag(a), escapeTag(b)
		if got, want := strings.Compare(escapedA, escapedB), strings.Compare(a, b); got != want {
			t.Errorf("%s and %s compare as %d, %s and %s as %d", a, b, want, escapedA, escapedB, got)
		}
		if a != b && strings.EqualFold(escapedA, escapedB) {
			t.Errorf("%s and %s are one on a file system that folds case: %s, %s", a, b, escapedA, escapedB)
		}
	})
}

func TestNamesInTheCatalogSortAsTheyDo(t *testing.T) {
	t.Parallel()
	inOrder := []string{"a", "a-b", "a--b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "a_b", "a__b", "aa", "b"}
	for i, a := range inOrder {
		if back, err := unflatten(flatten(a)); err != nil || back.String() != a {
			t.Errorf("%s is written %s and read %s, %v", a, flatten(a), back, err)
		}
		for _, b := range inOrder[i+1:] {
			if got, want := strings.Compare(flatten(a), flatten(b)), strings.Compare(a, b); got != want {
				t.Errorf("%s and %s compare as %d, in the catalog as %d", a, b, want, got)
			}
		}
	}
}
