package scrub_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/scrub"
	"github.com/sreg-project/sreg/internal/storage"
	storagefs "github.com/sreg-project/sreg/internal/storage/fs"
)

var (
	app, _   = oci.ParseName("team/app")
	other, _ = oci.ParseName("other")
	v1, _    = oci.ParseTag("v1")
)

// world is a registry on a folder, into which a test reaches with its own hands.
type world struct {
	t     *testing.T
	root  string
	store storage.Store
	reg   *registry.Registry
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return openWorld(t, t.TempDir(), nil, registry.DefaultConfig())
}

// openWorld opens a folder, as another process would. Wrap may stand between the registry and the store.
func openWorld(t *testing.T, root string, wrap func(storage.Store) storage.Store, config registry.Config) *world {
	t.Helper()
	s, err := storagefs.New(storagefs.Config{Root: root}, storagefs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{t: t, root: root, store: s}
	w.must(s.Create(t.Context()))
	if wrap != nil {
		w.store = wrap(s)
	}
	w.reg, err = registry.New(t.Context(), registry.Options{
		Blobs: w.store, Metadata: w.store, Locks: memory.New(), Config: config, Now: time.Now,
	})
	w.must(err)
	if wrap == nil {
		w.must(w.reg.Create(t.Context()))
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pushBlob(ns oci.Name, content string) oci.Digest {
	w.t.Helper()
	d := digest(content)
	w.must(pushBlob(w.t.Context(), w.reg, ns, content))
	return d
}

func pushBlob(ctx context.Context, reg *registry.Registry, ns oci.Name, content string) error {
	upload, err := reg.StartUpload(ctx, ns, oci.SHA256, "somebody")
	if err != nil {
		return err
	}
	return reg.CompleteUpload(ctx, ns, upload.ID, registry.Chunk{Body: strings.NewReader(content), Start: -1}, digest(content))
}

func (w *world) pushManifest(ns oci.Name, mediaType, content string, tags ...oci.Tag) oci.Digest {
	w.t.Helper()
	pushed, err := w.reg.PutManifest(w.t.Context(), ns, registry.Push{Tags: tags, ContentType: mediaType, Content: []byte(content), By: "somebody"})
	w.must(err)
	return pushed.Digest
}

// pushImage pushes a config, a layer and the manifest that names them.
func (w *world) pushImage(ns oci.Name, name string, tags ...oci.Tag) oci.Digest {
	w.t.Helper()
	w.pushBlob(ns, "config "+name)
	w.pushBlob(ns, "layer "+name)
	return w.pushManifest(ns, oci.MediaTypeImageManifest, imageManifest(name), tags...)
}

// pushReferrer pushes a manifest whose subject is an image.
func (w *world) pushReferrer(ns oci.Name, name string) oci.Digest {
	w.t.Helper()
	return w.pushManifest(ns, "application/vnd.example.sbom+json", `{"subject":`+descriptor(oci.MediaTypeImageManifest, imageManifest(name))+`}`)
}

func (w *world) pushIndex(ns oci.Name, names ...string) oci.Digest {
	w.t.Helper()
	var children []string
	for _, name := range names {
		children = append(children, descriptor(oci.MediaTypeImageManifest, imageManifest(name)))
	}
	return w.pushManifest(ns, oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[`+strings.Join(children, ",")+`]}`)
}

func imageManifest(name string) string {
	return `{"schemaVersion":2,"config":` + descriptor(oci.MediaTypeImageConfig, "config "+name) +
		`,"layers":[` + descriptor("application/vnd.oci.image.layer.v1.tar", "layer "+name) + `]}`
}

func descriptor(mediaType, content string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest(content), len(content))
}

func digest(content string) oci.Digest { return oci.DigestOf(oci.SHA256, []byte(content)) }

// The files of objects, spelled out once more: a mistake in the code that builds keys does not repeat
// itself here.
func blobFile(d oci.Digest) string { return "_blobs/sha256/" + d.Hex()[:2] + "/" + d.Hex() }

func linkFile(ns oci.Name, d oci.Digest) string { return ns.String() + "/_layers/sha256/" + d.Hex() }

func revisionFile(ns oci.Name, d oci.Digest) string {
	return ns.String() + "/_manifests/revisions/sha256/" + d.Hex()
}

func tagFile(ns oci.Name, tag oci.Tag) string {
	return ns.String() + "/_manifests/tags/" + tag.String()
}

func referrerFile(ns oci.Name, subject, referrer oci.Digest) string {
	return ns.String() + "/_manifests/referrers/sha256/" + subject.Hex() + "/sha256-" + referrer.Hex()
}

func (w *world) write(file, content string) {
	w.t.Helper()
	path := filepath.Join(w.root, file)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path, []byte(content), 0o644))
}

func (w *world) read(file string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.root, file))
	w.must(err)
	return string(content)
}

func (w *world) remove(file string) {
	w.t.Helper()
	w.must(os.Remove(filepath.Join(w.root, file)))
}

// flip changes one byte at the end of a file.
func (w *world) flip(file string) {
	w.t.Helper()
	content := []byte(w.read(file))
	content[len(content)-1] ^= 1
	w.write(file, string(content))
}

// verify runs it and fails the test if it fails.
func (w *world) verify(opts scrub.Options) *scrub.Report {
	w.t.Helper()
	opts.Concurrency = 4
	report, err := scrub.Run(w.t.Context(), w.reg, opts)
	w.must(err)
	return report
}

// codes are what was found and is not repaired, sorted.
func codes(report *scrub.Report) []scrub.Code {
	codes := []scrub.Code{}
	for _, f := range report.Findings {
		if f.Repaired == "" {
			codes = append(codes, f.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

// wantCodes compares what remains with what is expected.
func (w *world) wantCodes(report *scrub.Report, want ...scrub.Code) {
	w.t.Helper()
	slices.Sort(want)
	if got := codes(report); !slices.Equal(got, want) {
		w.t.Errorf("got %v, want %v", got, want)
		for _, f := range report.Findings {
			w.t.Logf("%s %s %s: %s; %s; repaired %q; problem %q", f.Severity, f.Code, f.Key, f.Means, f.Do, f.Repaired, f.Problem)
		}
	}
}

// check verifies S1 to S6 and returns what names something that is gone.
func (w *world) check(facts ...registrytest.Fact) []string {
	w.t.Helper()
	return registrytest.Check(w.t, registrytest.Subject{Registry: w.reg, Blobs: w.store, Metadata: w.store}, facts...)
}

// contents are all bytes that lie in the store, by what they are, and in how many files.
func (w *world) contents() map[string]int {
	w.t.Helper()
	all := map[string]int{}
	w.must(filepath.WalkDir(w.root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"_tmp", "_uploads", "_locks"}, entry.Name()):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		content, err := os.ReadFile(path)
		all[string(content)]++
		return err
	}))
	return all
}
