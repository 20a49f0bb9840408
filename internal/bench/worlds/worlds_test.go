package worlds_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/bench/worlds"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	fsstore "github.com/sreg-project/sreg/internal/storage/fs"
)

// small has something of everything.
var small = worlds.World{Blobs: 700, Manifests: 90, Namespaces: 3, Garbage: 0.2, Untagged: 0.1, Seed: 7}

func writeSreg(t *testing.T, w worlds.World) (string, worlds.Stock) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sreg")
	stock, err := w.WriteSreg(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, stock
}

func writeDocker(t *testing.T, w worlds.World) (string, worlds.Stock) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "docker")
	stock, err := w.WriteDocker(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, stock
}

// files reads a tree: the paths below it, and what is in them.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, dir+"/")] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// count is how many paths have all the parts.
func count(tree map[string][]byte, parts ...string) int {
	n := 0
	for path := range tree {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(path, part) }) {
			n++
		}
	}
	return n
}

func openStore(t *testing.T, dir string) registrytest.Subject {
	t.Helper()
	store, err := fsstore.New(fsstore.Config{Root: dir}, fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	reg, err := registry.New(t.Context(), registry.Options{
		Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return registrytest.Subject{Registry: reg, Blobs: store, Metadata: store}
}

func TestTheRegistryTakesAWorldForItsOwn(t *testing.T) {
	t.Parallel()
	dir, _ := writeSreg(t, small)
	if dangling := registrytest.Check(t, openStore(t, dir)); len(dangling) > 0 {
		t.Errorf("names what is not there: %v", dangling)
	}
}

func TestEveryTagAndEveryReferrerIsFound(t *testing.T) {
	t.Parallel()
	dir, stock := writeSreg(t, small)
	reg := openStore(t, dir).Registry
	names, _, err := reg.Catalog(t.Context(), registry.Cursor{}, 100, registrytest.ShowIf(func(oci.Name) bool { return true }))
	if err != nil {
		t.Fatal(err)
	}
	tags, referrers := 0, 0
	for _, name := range names {
		ns, err := oci.ParseName(name)
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := reg.ListTags(t.Context(), ns, "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			tag, err := oci.ParseTag(name)
			if err != nil {
				t.Fatal(err)
			}
			m, err := reg.GetManifest(t.Context(), ns, oci.Reference{Tag: tag})
			if err != nil {
				t.Errorf("%s:%s: %v", ns, name, err)
				continue
			}
			for _, err := range reg.Referrers(t.Context(), ns, m.Digest) {
				if err != nil {
					t.Errorf("referrers of %s:%s: %v", ns, name, err)
				}
				referrers++
			}
			tags++
		}
	}
	if len(names) != stock.Namespaces || tags != stock.Tags || referrers != stock.Referrers {
		t.Errorf("got %d namespaces, %d tags, %d referrers, want %+v", len(names), tags, referrers, stock)
	}
}

func TestWhatWasAskedForIsWritten(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]worlds.World{
		"something of everything":    small,
		"numbers that do not part":   {Blobs: 1009, Manifests: 101, Namespaces: 7, Garbage: 0.33, Untagged: 0.5},
		"one image":                  {Blobs: 20, Manifests: 1, Namespaces: 1},
		"no garbage":                 {Blobs: 500, Manifests: 20, Namespaces: 2},
		"all images untagged":        {Blobs: 500, Manifests: 60, Namespaces: 2, Untagged: 1},
		"an image has a config only": {Blobs: 2104, Manifests: 2000, Namespaces: 1},
		"the usual proportions":      worlds.Sized(2000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, stock := writeSreg(t, w)
			tree := files(t, dir)
			got := worlds.Stock{
				Blobs: count(tree, "_blobs/"), Links: count(tree, "/_layers/"),
				Manifests: count(tree, "/_manifests/revisions/"), Tags: count(tree, "/_manifests/tags/"),
				Referrers: count(tree, "/_manifests/referrers/"), Namespaces: count(tree, "_namespaces/"),
				Garbage: garbage(t, tree), Untagged: stock.Untagged,
			}
			if got != stock {
				t.Errorf("got files for %+v, want %+v", got, stock)
			}
			if got.Blobs != w.Blobs || got.Manifests != w.Manifests || got.Namespaces != w.Namespaces {
				t.Errorf("got %+v of %+v", got, w)
			}
			if off := float64(got.Garbage) - w.Garbage*float64(w.Blobs); off < -0.05*float64(w.Blobs) || off > 0.05*float64(w.Blobs) {
				t.Errorf("got %d blobs of garbage among %d, want a share of %g", got.Garbage, w.Blobs, w.Garbage)
			}
		})
	}
}

// garbage counts the blobs whose digest stands in no manifest.
func garbage(t *testing.T, tree map[string][]byte) int {
	t.Helper()
	named := map[string]bool{}
	for path, content := range tree {
		if !strings.Contains(path, "/_manifests/revisions/") {
			continue
		}
		_, body, _ := bytes.Cut(content, []byte("\n"))
		m, err := oci.ParseManifest("", body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, b := range m.Blobs() {
			named[b.Digest.Hex()] = true
		}
	}
	n := 0
	for path := range tree {
		if strings.HasPrefix(path, "_blobs/") && !named[filepath.Base(path)] {
			n++
		}
	}
	return n
}

func TestBothLayoutsHoldTheSame(t *testing.T) {
	t.Parallel()
	sregDir, ours := writeSreg(t, small)
	dockerDir, theirs := writeDocker(t, small)
	if ours != theirs {
		t.Errorf("got %+v and %+v", ours, theirs)
	}
	got, want := map[string]string{}, map[string]string{}
	for path, content := range files(t, sregDir) {
		namespace, rest, _ := strings.Cut(path, "/_manifests/revisions/")
		switch {
		case strings.HasPrefix(path, "_blobs/"):
			want[filepath.Base(path)] = string(content)
		case rest != "":
			_, body, _ := bytes.Cut(content, []byte("\n"))
			want[filepath.Base(path)] = string(body)
			want[namespace+" revision "+filepath.Base(path)] = ""
		case strings.Contains(path, "/_layers/"):
			want[strings.Replace(path, "/_layers/sha256/", " link ", 1)] = ""
		case strings.Contains(path, "/_manifests/tags/"):
			want[strings.Replace(path, "/_manifests/tags/", " tag ", 1)] = ""
		}
	}
	for path, content := range files(t, dockerDir) {
		path = strings.TrimPrefix(path, "docker/registry/v2/")
		name, isBlob := strings.CutSuffix(path, "/data")
		path = strings.TrimPrefix(path, "repositories/")
		switch {
		case isBlob:
			got[filepath.Base(name)] = string(content)
		case strings.Contains(path, "/_layers/"):
			got[strings.Replace(filepath.Dir(path), "/_layers/sha256/", " link ", 1)] = ""
		case strings.Contains(path, "/_manifests/revisions/"):
			got[strings.Replace(filepath.Dir(path), "/_manifests/revisions/sha256/", " revision ", 1)] = ""
		case strings.HasSuffix(path, "/current/link"):
			got[strings.Replace(strings.TrimSuffix(path, "/current/link"), "/_manifests/tags/", " tag ", 1)] = ""
		}
	}
	for what, content := range want {
		if other, there := got[what]; !there || other != content {
			t.Errorf("%s: sreg has %d bytes, Docker %d, %v", what, len(content), len(other), there)
		}
	}
	if len(got) != len(want) || len(got) < 1000 {
		t.Errorf("got %d things in Docker's layout, want %d", len(got), len(want))
	}
}

func TestEveryLinkOfTheDockerLayoutLeadsToABlobOfThatDigest(t *testing.T) {
	t.Parallel()
	dir, _ := writeDocker(t, small)
	tree := files(t, dir)
	for path, content := range tree {
		if filepath.Base(path) != "link" {
			continue
		}
		d, err := oci.ParseDigest(string(content))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		data := tree["docker/registry/v2/blobs/sha256/"+d.Hex()[:2]+"/"+d.Hex()+"/data"]
		if got := oci.DigestOf(oci.SHA256, data); got != d {
			t.Errorf("%s: leads to %d bytes of %s, want %s", path, len(data), got, d)
		}
	}
}

func TestAWorldIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	dir, _ := writeSreg(t, small)
	again, _ := writeSreg(t, small)
	other := small
	other.Seed++
	third, _ := writeSreg(t, other)
	first, second, different := files(t, dir), files(t, again), files(t, third)
	for _, tree := range []map[string][]byte{first, second} {
		delete(tree, "_format") // each store has an identity of its own
	}
	if !maps.EqualFunc(first, second, bytes.Equal) {
		t.Error("got two worlds of one seed that differ")
	}
	shared := 0
	for path := range different {
		if _, there := first[path]; there && strings.HasPrefix(path, "_blobs/") {
			shared++
		}
	}
	if shared != 1 { // the empty config
		t.Errorf("got %d blobs that worlds of two seeds share, want 1", shared)
	}
}

func TestEverythingIsAsOldAsTheWorld(t *testing.T) {
	t.Parallel()
	old := small
	old.At = time.Now().Add(-72 * time.Hour)
	dir, _ := writeSreg(t, old)
	for path, content := range files(t, dir) {
		if path == "_format" || strings.HasPrefix(path, "_locks/") {
			continue // they are of the birth, and nothing reads how old they are
		}
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(info.ModTime()); got < 71*time.Hour {
			t.Errorf("%s: got written %s ago, want 72h", path, got)
		}
		if strings.Contains(string(content), time.Now().UTC().Format(time.DateOnly)) {
			t.Errorf("%s: its record is of today: %.200s", path, content)
		}
	}
}

func TestAWorldThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		w    worlds.World
		want string
	}{
		"without namespaces":         {worlds.World{Blobs: 100, Manifests: 1}, "want a namespace"},
		"fewer manifests than names": {worlds.World{Blobs: 100, Manifests: 1, Namespaces: 2}, "a manifest for each"},
		"more manifests than blobs":  {worlds.World{Blobs: 10, Manifests: 20, Namespaces: 1}, "want 25 blobs"},
		"all of it garbage":          {worlds.World{Blobs: 100, Manifests: 1, Namespaces: 1, Garbage: 1}, "no garbage"},
		"a share that is none":       {worlds.World{Blobs: 100, Manifests: 1, Namespaces: 1, Untagged: 2}, "from 0 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.w.WriteDocker(t.Context(), t.TempDir())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
