package gc_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// tester is what a test of this package and one of rapid have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

// tidy collects without patience until there is nothing to do.
func tidy(t tester, reg *registry.Registry, now func() time.Time) {
	t.Helper()
	c, err := gc.New(gc.Options{Registry: reg.Maintenance(), Config: gc.Config{UntaggedAfter: 1, MaxDelete: "100%", Concurrency: 2}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // also when no namespace is left
		report, err := c.Run(t.Context(), gc.RunOptions{})
		if err != nil {
			t.Fatalf("collect: %v: %q", err, report.Errors)
		}
		done := report.Awaiting.Objects + report.Freed.Objects + report.Revived.Objects + report.Uploads.Objects
		if done+int64(len(report.Plan.Finish))+report.Plan.Restore.Objects == 0 {
			return
		}
	}
	t.Fatal("ten runs have not come to an end")
}

// wantNothingElse says what is left that no tag leads to, and what a tag leads to that is not there.
func wantNothingElse(t tester, reg *registry.Registry) {
	t.Helper()
	wantBlobs := map[oci.Digest]bool{}
	for ns := range each(t, reg.Maintenance().Namespaces(t.Context())) {
		n := need{t: t, reg: reg, ns: ns, revisions: map[oci.Digest]bool{}, links: map[oci.Digest]bool{}}
		for tag := range each(t, reg.Maintenance().Tags(t.Context(), ns)) {
			stored, err := reg.Maintenance().Tag(t.Context(), ns, tag)
			if err != nil {
				t.Fatal(err)
			}
			n.revision(stored.Digest)
		}
		wantSame(t, fmt.Sprint("revisions of ", ns), each(t, reg.Maintenance().Revisions(t.Context(), ns)), n.revisions)
		wantSame(t, fmt.Sprint("links of ", ns), each(t, reg.Maintenance().Links(t.Context(), ns)), n.links)
		for d := range n.links {
			wantBlobs[d] = true
		}
	}
	wantSame(t, "blobs", each(t, reg.Maintenance().Blobs(t.Context())), wantBlobs)
	for condemned := range each(t, reg.Maintenance().Condemned(t.Context())) {
		t.Errorf("%s is condemned still", condemned.Object)
	}
	for pending := range each(t, reg.Maintenance().Pending(t.Context())) {
		t.Errorf("a push of %s is under way", pending.Digest)
	}
	for session := range each(t, reg.Maintenance().Sessions(t.Context())) {
		t.Errorf("an upload to %s is under way", session.Namespace)
	}
	for entry := range each(t, reg.Maintenance().Trash(t.Context(), oci.Name{})) {
		t.Errorf("%s %s can be restored still", entry.Kind, entry.Digest)
	}
}

// need is what tags of one namespace lead to, by a reading of its own.
type need struct {
	t                tester
	reg              *registry.Registry
	ns               oci.Name
	revisions, links map[oci.Digest]bool
}

func (n *need) revision(d oci.Digest) {
	n.t.Helper()
	if n.revisions[d] {
		return
	}
	n.revisions[d] = true
	stored, err := n.reg.Maintenance().Manifest(n.t.Context(), n.ns, d)
	if err != nil {
		n.t.Errorf("what a tag leads to: %v", err)
		return
	}
	names, err := stored.Names()
	if err != nil {
		n.t.Errorf("what a tag leads to: %v", err)
	}
	for _, blob := range names.Blobs() {
		n.links[blob.Digest] = true
	}
	for _, child := range names.Children() {
		n.revision(child.Digest)
	}
	for entry := range each(n.t, n.reg.Maintenance().ReferrerEntries(n.t.Context(), n.ns)) {
		if entry.Subject == d {
			n.revision(entry.Digest)
		}
	}
}

func wantSame(t tester, what string, got iter.Seq[oci.Digest], want map[oci.Digest]bool) {
	t.Helper()
	there := map[oci.Digest]bool{}
	for d := range got {
		there[d] = true
	}
	if !maps.Equal(there, want) {
		t.Errorf("%s: got\n  %v\nwant\n  %v", what, sorted(there), sorted(want))
	}
}

func sorted(set map[oci.Digest]bool) []oci.Digest {
	return slices.SortedFunc(maps.Keys(set), func(a, b oci.Digest) int { return cmp.Compare(a.String(), b.String()) })
}

// each yields what a listing has; an error ends the test.
func each[T any](t tester, list iter.Seq2[T, error]) iter.Seq[T] {
	t.Helper()
	return func(yield func(T) bool) {
		t.Helper()
		for item, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(item) {
				return
			}
		}
	}
}
