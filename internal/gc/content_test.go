package gc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
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

func TestAManifestThatDoesNotHashToItsDigestStopsTheRun(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, layer := p.image("one", "v1")
	key := "team/app/_manifests/revisions/sha256/" + manifest.Hex()
	record, err := p.store.Get(t.Context(), key)
	p.must(err)
	wrong := oci.DigestOf(oci.SHA256, []byte("another layer"))
	_, err = p.store.Put(t.Context(), key, bytes.ReplaceAll(record.Data, []byte(layer.Hex()), []byte(wrong.Hex())), storage.PutOptions{})
	p.must(err)

	_, err = p.collect(3)
	var refused *gc.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Why, manifest.Hex()) {
		t.Errorf("got %v, want a refusal that names the manifest", err)
	}
	if !p.hasBlob(layer) {
		t.Error("the layer is gone that the manifest names")
	}
}

func TestAManifestOfAnUnknownTypeKeepsWhatItMentions(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	layer := p.blob("what an artifact is made of")
	child, deep := p.image("child")
	subject, gone := p.image("subject")
	p.manifest("application/vnd.oci.artifact.manifest.v1+json", fmt.Sprintf(
		`{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","subject":{"mediaType":%q,"digest":%q,"size":2},"blobs":[{"digest":%q}],"parts":{"of":%q}}`,
		oci.MediaTypeImageManifest, subject, layer, child), "artifact")
	report, err := p.collect(3)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasBlob(layer) || !p.hasBlob(deep) {
		t.Error("what the artifact names is gone")
	}
	if p.hasBlob(gone) {
		t.Error("its subject stays, which nothing keeps")
	}
}

func TestATagThatNamesItsOwnManifestIsJudged(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, _ := p.image("one")
	own := "sha256-" + manifest.Hex() + ".imgpkg"
	p.manifest(oci.MediaTypeImageManifest, manifestOf("one"), own)
	p.decide = func(image registry.Image) bool { return image.Tag.String() == own }
	report, err := p.collect(3)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasTag(own) {
		t.Error("the tag is gone that a rule keeps")
	}
}

// TestATagThatFollowsASubjectTakesNoRuleAway: who may push must not lose, by a tag that looks like a
// signature's, an image that the rules keep without a tag.
func TestATagThatFollowsASubjectTakesNoRuleAway(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	_, layer := p.image("one")
	subject, _ := p.image("its subject", "v1")
	p.manifest(oci.MediaTypeImageManifest, manifestOf("one"), "sha256-"+subject.Hex()+".sig")
	p.decide = func(image registry.Image) bool { return image.Tag.IsZero() }
	report, err := p.collect(3)
	if err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if p.hasTag("v1") {
		t.Error("the subject's tag stays, which nothing keeps")
	}
	if !p.hasBlob(layer) {
		t.Error("the image is gone that the rules keep without a tag")
	}
}

// TestTheWordOfADeletedBlobStaysAsLongAsAManifestNamesIt, and no longer: it keeps a repair from giving the blob
// back, and clients can leave any number of them.
func TestTheWordOfADeletedBlobStaysAsLongAsAManifestNamesIt(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	words := func() (n int) {
		for _, err := range p.reg.Maintenance().Markers(t.Context(), p.ns) {
			p.must(err)
			n++
		}
		return n
	}
	manifest, layer := p.image("one", "v1")
	p.must(p.reg.DeleteBlob(t.Context(), p.ns, layer, ""))
	if _, err := p.collect(3); err != nil || words() != 1 {
		t.Errorf("%d words are left, %v, want that of the blob which a manifest names", words(), err)
	}
	p.must(p.reg.DeleteManifest(t.Context(), p.ns, manifest, ""))
	if _, err := p.collect(3); err != nil || words() != 0 {
		t.Errorf("%d words are left, %v, want none", words(), err)
	}
}

func TestARunForOneRepositoryJudgesNothingOfAnother(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	_, untagged := p.image("untagged")
	p.image("tagged", "v1")
	p.decide = func(registry.Image) bool { return false }
	elsewhere, err := oci.ParseName("elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	p.only = elsewhere
	if report, err := p.collect(3); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if !p.hasTag("v1") || !p.hasBlob(untagged) {
		t.Error("something is gone of a namespace that the run was not for")
	}
}

func TestASignatureStaysWithAnImageThatIsPushedAgain(t *testing.T) {
	t.Parallel()
	for name, tags := range map[string][]string{"by the tag that it had": {"v1"}, "by another tag": {"v2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPushed(t)
			manifest, _ := p.image("one", "v1")
			p.image("its signature", "sha256-"+manifest.Hex()+".sig")
			p.decide = func(image registry.Image) bool { // when all tags have been read
				p.manifest(oci.MediaTypeImageManifest, manifestOf("one"), tags...)
				return false
			}
			report, err := p.collect(1)
			if err != nil {
				t.Fatalf("%v: %q", err, report.Errors)
			}
			if !p.hasTag(tags[0]) || !p.hasTag("sha256-"+manifest.Hex()+".sig") {
				t.Error("the image stays, and its signature is gone")
			}
		})
	}
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

// TestWhatADamagedRecordNamedIsNotCollectedBehindARepair: the last copy of what a damaged tag or manifest
// named is worth something until that comes back.
func TestWhatADamagedRecordNamedIsNotCollectedBehindARepair(t *testing.T) {
	t.Parallel()
	for name, object := range map[string]func(*pushed, oci.Digest) registry.Object{
		"a tag": func(p *pushed, _ oci.Digest) registry.Object {
			return registry.Object{Kind: registry.KindTag, Namespace: p.ns, Tag: p.tag("v1")}
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
			p.manifest(oci.MediaTypeImageManifest, manifestOf("one"))
			if name == "a manifest" && !p.hasTag("v1") {
				t.Error("the tag is gone, which would lead to it again")
			}
			p.manifest(oci.MediaTypeImageManifest, manifestOf("one"), "v1")
			_, unneeded := p.image("another")
			if report, err := p.collect(3); err != nil || report.WarningCount > 0 || p.hasBlob(unneeded) {
				t.Errorf("when it came back: got %v and %q, want what nothing needs collected", err, report.Warnings)
			}
		})
	}
}

// TestDeletedManifestsTakeNoMemory: a client may delete as many as it likes, of any size.
func TestDeletedManifestsTakeNoMemory(t *testing.T) { // alone, for it looks at the heap of the process
	p := newPushed(t)
	p.trash = time.Hour
	_, layer := p.image("one")
	const many, long = 12, 3 << 20
	for i := range many {
		text := strings.Repeat("a", long)
		d := p.manifest(oci.MediaTypeImageManifest, strings.TrimSuffix(manifestOf("one"), "}")+fmt.Sprintf(`,"annotations":{"%d":%q}}`, i, text))
		p.must(p.reg.DeleteManifest(t.Context(), p.ns, d, ""))
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

func TestTimesOfPullsOfWhatClientsDeletedGo(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, _ := p.image("one", "v1")
	p.reg.NotePull(p.ns, oci.Reference{Tag: p.tag("v1")}, manifest)
	ended, end := context.WithCancel(t.Context())
	end()
	p.reg.TrackPulls(ended, p.must)
	p.must(p.reg.DeleteManifest(t.Context(), p.ns, manifest, ""))
	if report, err := p.collect(1); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if times, err := p.reg.Maintenance().PullTimes(t.Context(), p.ns); err != nil || len(times.Tags)+len(times.Manifests) > 0 {
		t.Errorf("got %v, %v, want none", times, err)
	}
}

func TestAPushRevivesIndexesHoweverDeep(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	p.trash = time.Hour
	deepest, _ := p.image("one")
	child, mediaType := deepest, oci.MediaTypeImageManifest
	index := func(tags ...string) {
		content := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":2}]}`, mediaType, child)
		child, mediaType = p.manifest(oci.MediaTypeImageIndex, content, tags...), oci.MediaTypeImageIndex
	}
	for range 30 {
		index()
	}
	if report, err := p.collect(1); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	thing := registry.Object{Kind: registry.KindManifest, Namespace: p.ns, Digest: deepest}
	if info, err := p.reg.Maintenance().Stat(t.Context(), thing); err != nil || !info.Condemned {
		t.Fatalf("got %+v, %v, want it condemned", info, err)
	}
	index("v1")
	if info, err := p.reg.Maintenance().Stat(t.Context(), thing); err != nil || info.Condemned {
		t.Errorf("got %+v, %v, want it live once an index was acknowledged that needs it", info, err)
	}
}
