package gc_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
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
	p := &pushed{t: t, store: memory.New(memory.Options{}), config: registry.DefaultConfig(), ns: ocitest.Name("team/app")}
	p.open()
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

func (p *pushed) pusher() registrytest.Pusher { return registrytest.Pusher{To: p.reg} }

func (p *pushed) blob(content string) oci.Digest {
	p.t.Helper()
	blob := ocitest.Layer(content)
	p.must(p.pusher().PushBlob(p.t.Context(), p.ns, blob))
	return blob.Digest
}

func (p *pushed) manifest(m ocitest.Content, tags ...string) {
	p.t.Helper()
	p.must(p.pusher().PushManifest(p.t.Context(), p.ns, m, tagsOf(tags)...))
}

func (p *pushed) image(name string, tags ...string) (manifest, layer oci.Digest) {
	p.t.Helper()
	image := ocitest.Image(name)
	p.must(p.pusher().Push(p.t.Context(), p.ns, image, tagsOf(tags)...))
	return image.Digest, image.Layers[0].Digest
}

func tagsOf(texts []string) (tags []oci.Tag) {
	for _, text := range texts {
		tags = append(tags, ocitest.Tag(text))
	}
	return tags
}

// Rules and Decide are the rules of retention.
func (p *pushed) Rules(oci.Name) bool { return p.decide != nil }

func (p *pushed) Decide(_ oci.Name, _ time.Time, images []registry.Image) []registry.Verdict {
	verdicts := make([]registry.Verdict, len(images))
	for i, image := range images {
		verdicts[i] = registry.Verdict{Kept: p.decide(image), Rule: "one"}
	}
	return verdicts
}

// collect runs the collector, so often that what nothing needs is gone.
func (p *pushed) collect(runs int) (*gc.Report, error) {
	p.t.Helper()
	c := p.collector()
	all := 100.0
	var report *gc.Report
	var err error
	for range runs {
		if report, err = c.Run(p.t.Context(), gc.RunOptions{MaxDelete: &all, Progress: p.progress, Trash: p.early, Repository: p.only}); err != nil {
			break
		}
	}
	return report, err
}

func (p *pushed) collector() *gc.Collector {
	p.t.Helper()
	c, err := gc.New(gc.Options{Registry: p.reg.Maintenance(), Retention: p, Config: gc.Config{Trash: p.trash, UntaggedAfter: 1, MaxDelete: "100%", Concurrency: 1}})
	p.must(err)
	return c
}

func (p *pushed) hasTag(text string) bool {
	p.t.Helper()
	_, err := p.reg.GetManifest(p.t.Context(), p.ns, oci.Reference{Tag: ocitest.Tag(text)})
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
