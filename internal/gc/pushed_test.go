package gc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// pushed is a registry with one namespace, and a collector without patience.
type pushed struct {
	t      *testing.T
	store  *memory.Store
	ns     oci.Name
	reg    *registry.Registry
	config registry.Config
	// decide judges every image; nil: there are no rules.
	decide   func(registry.Image) bool
	trash    time.Duration
	progress func(gc.Progress)
	early    *time.Duration
	only     oci.Name
}

func newPushed(t *testing.T) *pushed {
	t.Helper()
	p := &pushed{t: t, store: memory.New(memory.Options{}), config: registry.DefaultConfig()}
	p.open()
	var err error
	p.ns, err = oci.ParseName("team/app")
	p.must(err)
	return p
}

// open opens the store, once more after a change of the config.
func (p *pushed) open() {
	p.t.Helper()
	var err error
	p.reg, err = registry.New(p.t.Context(), registry.Options{Blobs: p.store, Metadata: p.store, Locks: lockmemory.New(), Config: p.config})
	p.must(err)
	p.must(p.reg.Maintenance().Create(p.t.Context()))
}

func (p *pushed) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pushed) blob(content string) oci.Digest {
	p.t.Helper()
	upload, err := p.reg.StartUpload(p.t.Context(), p.ns, oci.SHA256, "")
	p.must(err)
	d := oci.DigestOf(oci.SHA256, []byte(content))
	p.must(p.reg.CompleteUpload(p.t.Context(), p.ns, upload.ID, registry.Chunk{Body: strings.NewReader(content), Start: -1}, d))
	return d
}

func (p *pushed) manifest(mediaType, content string, tags ...string) oci.Digest {
	p.t.Helper()
	push := registry.Push{ContentType: mediaType, Content: []byte(content)}
	for _, tag := range tags {
		push.Tags = append(push.Tags, p.tag(tag))
	}
	done, err := p.reg.PutManifest(p.t.Context(), p.ns, push)
	p.must(err)
	return done.Digest
}

func (p *pushed) image(name string, tags ...string) (manifest, layer oci.Digest) {
	p.t.Helper()
	p.blob("config " + name)
	layer = p.blob("layer " + name)
	return p.manifest(oci.MediaTypeImageManifest, manifestOf(name), tags...), layer
}

// manifestOf is a manifest with one layer.
func manifestOf(name string) string {
	descriptor := func(mediaType, content string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, oci.DigestOf(oci.SHA256, []byte(content)), len(content))
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, oci.MediaTypeImageManifest,
		descriptor(oci.MediaTypeImageConfig, "config "+name), descriptor("application/vnd.oci.image.layer.v1.tar", "layer "+name))
}

func (p *pushed) tag(text string) oci.Tag {
	p.t.Helper()
	tag, err := oci.ParseTag(text)
	p.must(err)
	return tag
}

// Rules and Decide are the rules of retention.
func (p *pushed) Rules(oci.Name) bool { return p.decide != nil }

func (p *pushed) Decide(_ oci.Name, _ time.Time, images []registry.Image) []gc.Verdict {
	verdicts := make([]gc.Verdict, len(images))
	for i, image := range images {
		verdicts[i] = gc.Verdict{Kept: p.decide(image), Rule: "one"}
	}
	return verdicts
}

// collect runs the collector, so often that what nothing needs is gone.
func (p *pushed) collect(runs int) (*gc.Report, error) {
	p.t.Helper()
	c, err := gc.New(gc.Options{Registry: p.reg.Maintenance(), Retention: p, Config: gc.Config{Trash: p.trash, UntaggedAfter: 1, MaxDelete: "100%", Concurrency: 1}})
	p.must(err)
	all := 100.0
	var report *gc.Report
	for range runs {
		if report, err = c.Run(p.t.Context(), gc.RunOptions{MaxDelete: &all, Progress: p.progress, Trash: p.early, Repository: p.only}); err != nil {
			break
		}
	}
	return report, err
}

func (p *pushed) hasTag(text string) bool {
	p.t.Helper()
	_, err := p.reg.GetManifest(p.t.Context(), p.ns, oci.Reference{Tag: p.tag(text)})
	if err != nil && !errors.Is(err, registry.ErrManifestUnknown) {
		p.t.Fatal(err)
	}
	return err == nil
}

func (p *pushed) hasBlob(d oci.Digest) bool {
	p.t.Helper()
	blob, err := p.reg.OpenBlob(p.t.Context(), p.ns, d)
	if errors.Is(err, registry.ErrBlobUnknown) {
		return false
	}
	p.must(err)
	p.must(blob.Content.Close())
	return true
}
