package registry

import (
	"slices"
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
			key := tagEntryKey(oci.Name{}, oci.DigestOf(oci.SHA512, nil), newNonce()[:16], tag)
			name := key[strings.LastIndexByte(key, '/')+1:]
			if back, err := parseTagEntry(name); back != tag || err != nil || len(name) > maxComponent {
				t.Errorf("the entry of %s is %q and read %s, %v", tag, name, back, err)
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
	inOrder := []string{
		"a", "a-b", "a--b", "a.b", "a/b", "a/b-c", "a/b/c", "a0",
		"a0/" + strings.Repeat("a/", 125) + "b", "a0/" + strings.Repeat("a/", 125) + "c", "a0/" + strings.Repeat("a/", 60) + "b/" + strings.Repeat("a/", 60) + "a",
		"a_b", "a__b", "aa", strings.Repeat("ab/", 84) + "abc", strings.Repeat("b", 255), strings.Repeat("bb/", 85)[:254],
	}
	slices.Sort(inOrder)
	for i, a := range inOrder {
		for component := range strings.SplitSeq(flatten(a), "/") {
			if len(component) > maxComponent || component == "" {
				t.Errorf("%s has a component of %d bytes", flatten(a), len(component))
			}
		}
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

func TestAKeyIsParsedAsTheObjectThatItIsOf(t *testing.T) {
	t.Parallel()
	hex, hex512 := strings.Repeat("ab", 32), strings.Repeat("cd", 64)
	for key, want := range map[string]string{
		"_blobs/sha256/ab/" + hex:                                           "blob sha256:" + hex,
		"_blobs/sha512/cd/" + hex512:                                        "blob sha512:" + hex512,
		"_namespaces/team.~app":                                             "namespace team/app",
		"team/app/_layers/sha256/" + hex:                                    "link sha256:" + hex + " in team/app",
		"team/app/_manifests/revisions/sha256/" + hex:                       "manifest sha256:" + hex + " in team/app",
		"team/app/_manifests/tags/^latest":                                  "tag",
		"team/app/_manifests/tagged/ab/" + hex[:32] + "~latest^3f~ABCD":     "tagged",
		"team/app/_manifests/referrers/sha256/" + hex + "/sha512-" + hex512: "referrer",
		"team/app/_removed/sha256/" + hex:                                   "removed",
		"team/app/_pulls":                                                   "pulls",
		"_deleted/team.~app/0000000000000000001-AAAA":                       "deleted",
		"_corrupt/0000000000000000001/_blobs/sha256/ab/" + hex:              "corrupt",
		"_format":                          "own",
		"_keys/token":                      "own",
		"_keys/revoked":                    "own",
		"_keys/cache":                      "own",
		"_gc/report":                       "own",
		"_keys/other":                      "strange",
		"_gc":                              "strange",
		"_blobs/sha256/cd/" + hex:          "strange", // in another folder than its digest's
		"_blobs/sha256/ab/" + hex[:62]:     "strange",
		"_blobs/md5/ab/" + hex:             "strange",
		"_namespaces/Team":                 "strange",
		"_namespaces/team/app":             "strange",
		"_namespaces/team~/app":            "strange", // it fits into one component
		"_deleted/team~/app/1":             "strange",
		"_deleted/Team/1":                  "strange",
		"team/app/_layers/" + hex:          "strange",
		"team/app/_layers/sha256/x/" + hex: "strange",
		"team/app/_manifests/tags/LATEST":  "strange", // it is written ^latest
		"team/app/_manifests/tags/a/b":     "strange",
		"team/app/_manifests/tagged/cd/" + hex[:32] + "~latest~ABCD":    "strange", // in another folder than its digest's
		"team/app/_manifests/tagged/ab/" + hex[:32] + "~latest^40~ABCD": "strange", // no seventh letter
		"team/app/_manifests/tagged/ab/" + hex[:32] + "~LATEST~ABCD":    "strange",
		"team/app/_manifests/tagged/ab/" + hex[:32] + "~latest":         "strange",
		"Team/_pulls":       "strange",
		"team/app/_pulls/x": "strange",
		"_pulls":            "strange",
		"lost+found":        "strange",
	} {
		o := ParseKey(key)
		if o.Key() != key {
			t.Errorf("%s is parsed as %s, whose key is %s", key, o, o.Key())
		}
		if got := o.String(); !strings.Contains(want, " ") && string(o.Kind) != want || strings.Contains(want, " ") && got != want {
			t.Errorf("%s is parsed as %s %s, want %s", key, o.Kind, got, want)
		}
	}
}
