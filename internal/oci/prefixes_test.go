package oci_test

import (
	"fmt"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestANamespaceBelongsToTheLongestPrefix(t *testing.T) {
	t.Parallel()
	prefixes := oci.Prefixes[string]{}
	for _, name := range []string{"hub", "hub/a", "hub/a/b/c", "other"} {
		prefixes[mustName(t, name)] = name
	}
	for namespace, want := range map[string]string{
		"hub": "hub", "hub/x": "hub", "hub/a": "hub/a", "hub/a/b": "hub/a", "hub/a/b/c": "hub/a/b/c", "hub/a/b/c/d/e": "hub/a/b/c",
		"hub/ab": "hub", "hubble": "", "a/hub": "", "other/hub/a": "other",
	} {
		if got, found := prefixes.Of(mustName(t, namespace)); got != want || found != (want != "") {
			t.Errorf("%s: got %q, %t, want %q", namespace, got, found, want)
		}
	}
	if got, found := prefixes.Of(oci.Name{}); found {
		t.Errorf("no namespace belongs to %q", got)
	}
	if _, found := oci.Prefixes[int](nil).Of(mustName(t, "hub")); found {
		t.Error("a namespace belongs to one of no prefixes")
	}
	if got := fmt.Sprint(prefixes.Names()); got != "[hub hub/a hub/a/b/c other]" {
		t.Errorf("got %s, want all prefixes in order", got)
	}
}

// BenchmarkPrefixes looks up a namespace of four components below one of few prefixes and of many: both cost the same.
func BenchmarkPrefixes(b *testing.B) {
	for _, count := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			prefixes := oci.Prefixes[int]{}
			for i := range count {
				prefixes[mustName(b, fmt.Sprintf("team%d", i))] = i
			}
			namespace := mustName(b, "team0/group/project/app")
			b.ReportAllocs()
			for b.Loop() {
				if _, found := prefixes.Of(namespace); !found {
					b.Fatal("not found")
				}
			}
		})
	}
}

func mustName(t testing.TB, s string) oci.Name {
	t.Helper()
	name, err := oci.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
