package gc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestWhatCannotBeReadStopsARun(t *testing.T) {
	t.Parallel()
	revision := func(w *gctest.World) string {
		return "app/_manifests/revisions/sha256/" + w.Digest("v1").Hex()
	}
	at := func(key string) func(*gctest.World) string { return func(*gctest.World) string { return key } }
	trashEntry := func(w *gctest.World) string {
		found, err := filepath.Glob(filepath.Join(w.Root(), "_deleted/app/*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("found %q, %v, want what was removed", found, err)
		}
		return "_deleted/app/" + filepath.Base(found[0])
	}
	const folder = "a folder"
	for name, tc := range map[string]struct {
		key     func(*gctest.World) string
		content string // of a file; folder is an empty one
	}{
		"a tag that is no record":                     {at("app/_manifests/tags/v1"), "garbage"},
		"a tag that is empty":                         {at("app/_manifests/tags/v1"), ""},
		"a folder where a tag should be":              {at("app/_manifests/tags/v1"), folder},
		"a file beside the tags":                      {at("app/_manifests/tags/.DS_Store"), "x"},
		"a manifest that is no record":                {revision, "garbage"},
		"a manifest without its content":              {revision, `{"media_type":"application/vnd.oci.image.manifest.v1+json","pushed_at":"2026-11-01T12:00:00Z"}` + "\n"},
		"a manifest that is empty":                    {revision, ""},
		"a folder where a manifest should be":         {revision, folder},
		"a file beside the manifests":                 {at("app/_manifests/revisions/.DS_Store"), "x"},
		"a file among the manifests":                  {at("app/_manifests/revisions/sha256/notes.txt"), "x"},
		"a file where the manifests should be":        {at("app/_manifests/revisions"), "x"},
		"a file where a namespace's things are":       {at("app/_manifests"), "x"},
		"a link with a name of its own":               {at("app/_layers/sha256/0123"), ""},
		"a file where the links should be":            {at("app/_layers"), "x"},
		"a file among the referrers":                  {at("app/_manifests/referrers/sha256/x"), "x"},
		"a file in a namespace":                       {at("app/notes.txt"), "x"},
		"a file where namespaces are":                 {at("notes.txt"), "x"},
		"a folder of things that is no namespace's":   {at("App/_manifests/tags/x"), "x"},
		"a file among the blobs":                      {at("_blobs/sha256/00/notes.txt"), "x"},
		"a blob in a folder of others":                {at("_blobs/sha256/00/" + strings.Repeat("1", 64)), "x"},
		"a file where the markers should be":          {at("app/_removed"), "x"},
		"what was removed and is no record":           {trashEntry, "garbage"},
		"a file where the tags should be":             {at("app/_manifests/tags"), "x"},
		"a file where all that was removed should be": {at("_deleted"), "x"},
		"a file among what was removed":               {at("_deleted/app/x"), "x"},
		"a file in the trash":                         {at("_trash/app/notes.txt"), "x"},
		"a draft that is no record":                   {at("_pending/app/_manifests/revisions/sha256/" + strings.Repeat("0", 64) + "~x"), "garbage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fullWorld(t, options())
			key := tc.key(w)
			path := filepath.Join(w.Root(), key)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			made := filepath.Dir(path)
			if tc.content == folder {
				made = path
			}
			if err := os.MkdirAll(made, 0o700); err != nil {
				t.Fatal(err)
			}
			if tc.content != folder {
				if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.Open()
			key, _, _ = strings.Cut(key, "~")
			if strings.HasPrefix(key, "_trash/") || strings.HasPrefix(key, "_pending/") {
				_, key, _ = strings.Cut(key, "/")
			}
			if strings.HasPrefix(key, "App/") {
				key = "App"
			}
			wantRefused(t, w, gc.RunOptions{}, w.Names(key))
			wantRefused(t, w, gc.RunOptions{Only: gc.CollectPart}, w.Names(key))
		})
	}
}

func TestWhatAFileSystemKeepsInItsRootIsNoNamespace(t *testing.T) {
	t.Parallel()
	w := fullWorld(t, options())
	for _, name := range []string{".DS_Store", "lost+found/x", ".snapshot/app/_manifests/tags/v1", "._app"} {
		path := filepath.Join(w.Root(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if report := w.Collect(); report.Freed.Objects == 0 || report.Awaiting.Objects == 0 {
		t.Errorf("got %+v, want that it did its work", report)
	}
	w.Pull("app:v1")
}

func TestANamespaceThatNoRepositoryListsIsCollected(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	_, layer := p.image("one", "v1")
	p.config.UnlistedNamespaces = "deny"
	p.open()
	p.decide = func(registry.Image) bool { return false }
	for range 3 {
		if report, err := p.collect(1); err != nil {
			t.Fatalf("%v: %q", err, report.Errors)
		}
	}
	for d, err := range p.reg.Maintenance().Blobs(t.Context()) {
		p.must(err)
		if d == layer {
			t.Error("the layer is there still")
		}
	}
}

// TestDeletedManifestsTakeNoMemory: a client may delete as many as it likes, of any size.
func TestDeletedManifestsTakeNoMemory(t *testing.T) { // alone, for it looks at the heap of the process
	p := newPushed(t)
	p.trash = time.Hour
	_, layer := p.image("one")
	const many, long = 12, 3 << 20
	for i := range many {
		one := ocitest.Image("one").Note(fmt.Sprint(i))
		text := strings.TrimSuffix(one.Text, "}") + `,"padding":"` + strings.Repeat("a", long) + `"}`
		p.manifest(ocitest.New(one.MediaType, text))
		p.must(p.reg.DeleteManifest(t.Context(), p.ns, ocitest.DigestOf(text), ""))
	}
	heap := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before, most := heap(), int64(0)
	p.progress = func(gc.Progress) { most = max(most, heap()) }
	report, err := p.collect(1)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if most-before > long*many/3 {
		t.Errorf("it holds %d MiB of %d MiB that were deleted", (most-before)>>20, long*many>>20)
	}
	if !p.hasBlob(layer) {
		t.Error("the layer is gone that all of them need")
	}
}

// TestWhatADamagedRecordNamedIsNotCollectedBehindARepair: the last copy of what a damaged tag or manifest
// named is worth something until that comes back.
func TestWhatADamagedRecordNamedIsNotCollectedBehindARepair(t *testing.T) {
	t.Parallel()
	for name, object := range map[string]func(*pushed, oci.Digest) registry.Object{
		"a tag": func(p *pushed, _ oci.Digest) registry.Object {
			return registry.Object{Kind: registry.KindTag, Namespace: p.ns, Tag: ocitest.Tag("v1")}
		},
		"a manifest": func(p *pushed, d oci.Digest) registry.Object {
			return registry.Object{Kind: registry.KindManifest, Namespace: p.ns, Digest: d}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPushed(t)
			manifest, layer := p.image("one", "v1")
			p.must(p.reg.Maintenance().MoveRecordAside(t.Context(), object(p, manifest)))
			report, err := p.collect(3)
			if err != nil {
				t.Fatalf("%v: %q", err, report.Errors)
			}
			if report.WarningCount != 1 || !p.hasBlob(layer) {
				t.Errorf("got %d warnings, and the layer there: %t, want one, and it there", report.WarningCount, p.hasBlob(layer))
			}
			p.manifest(ocitest.Image("one").Content)
			if name == "a manifest" && !p.hasTag("v1") {
				t.Error("the tag is gone, which would lead to it again")
			}
			p.manifest(ocitest.Image("one").Content, "v1")
			_, unneeded := p.image("another")
			if report, err := p.collect(3); err != nil || report.WarningCount > 0 || p.hasBlob(unneeded) {
				t.Errorf("when it came back: got %v and %q, want what nothing needs collected", err, report.Warnings)
			}
		})
	}
}
