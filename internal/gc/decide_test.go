package gc_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// TestTheMarkerOfADeletedBlobStaysAsLongAsAManifestNamesIt, and no longer: it keeps a repair from linking the blob
// again, and clients can make any number of them.
func TestTheMarkerOfADeletedBlobStaysAsLongAsAManifestNamesIt(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	markers := func() (n int) {
		for _, err := range p.reg.Maintenance().Markers(t.Context(), p.ns) {
			p.must(err)
			n++
		}
		return n
	}
	manifest, layer := p.image("one", "v1")
	p.must(p.reg.DeleteBlob(t.Context(), p.ns, layer, ""))
	if _, err := p.collect(3); err != nil || markers() != 1 {
		t.Errorf("%d markers are left, %v, want that of the blob which a manifest names", markers(), err)
	}
	p.must(p.reg.DeleteManifest(t.Context(), p.ns, manifest, ""))
	if _, err := p.collect(3); err != nil || markers() != 0 {
		t.Errorf("%d markers are left, %v, want none", markers(), err)
	}
}

func TestTheTrashOfOneRepositoryIsEmptiedAlone(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	p.trash = time.Hour
	_, layer := p.image("one")
	mine := p.ns
	var err error
	p.ns, err = oci.ParseName("other")
	p.must(err)
	manifest, kept := p.image("another")
	p.only, p.early = mine, new(time.Duration)
	if report, err := p.collect(3); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasBlob(kept) {
		t.Error("a blob of another repository is gone before its time")
	}
	if _, err := p.reg.Maintenance().Restore(t.Context(), registry.RestoreOptions{Namespace: p.ns, Digest: manifest}); err != nil {
		t.Errorf("bring back what is condemned in another repository: %v", err)
	}
	p.ns = mine
	if p.hasBlob(layer) {
		t.Error("the blob of the repository is there still")
	}
}

// TestForeignFilesAmongBlobsAreLeftAlone: they name nothing, so a run neither fails at them nor removes them.
func TestForeignFilesAmongBlobsAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	foreign := []string{
		"_blobs/notes.txt", "_blobs/sha256/.DS_Store", "_blobs/sha256/00/notes.txt", "_blobs/sha256/00/more/notes.txt",
		"_blobs/md5/00/0123456789abcdef", "_blobs/sha256/00/" + strings.Repeat("1", 64), "_blobs/sha256/11/" + strings.Repeat("1", 63),
	}
	for _, key := range foreign {
		path := filepath.Join(w.Root(), key)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	w.Open()
	report := w.Collect()
	if report.Freed.Objects == 0 || report.Awaiting.Objects == 0 || report.WarningCount != len(foreign) {
		t.Errorf("got %+v, want that it did its work and warned of %d files", report, len(foreign))
	}
	w.Play("wait 2h\n collect")
	for _, key := range foreign {
		if !slices.ContainsFunc(report.Warnings, func(text string) bool { return strings.Contains(text, key) }) {
			t.Errorf("got the warnings %q, want one that names %s", report.Warnings, key)
		}
		if content, err := os.ReadFile(filepath.Join(w.Root(), key)); err != nil || string(content) != "x" {
			t.Errorf("%s: got %q, %v, want it as it was", key, content, err)
		}
	}
	w.Pull("app:v1")
}
