package gc_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// TestASmallWorldIsAsItsModelSays does random operations on a few blobs, manifests and tags, and compares after
// each one all that can be read with a model of maps. Of the checks in folders only some are made, in the slow set
// all.
func TestASmallWorldIsAsItsModelSays(t *testing.T) {
	t.Parallel()
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) { newModel(t, memory.New(memory.Options{})).check(t) })
	})
	t.Run("in folders", func(t *testing.T) {
		t.Parallel()
		everything := os.Getenv("SREG_TEST_ALL") == "1"
		rapid.Check(t, func(t *rapid.T) {
			if everything || rapid.IntRange(1, 10).Draw(t, "turn") == 1 {
				newModel(t, modelFolder(t)).check(t)
			}
		})
	})
}

// check does operations as they come.
func (m *model) check(t *rapid.T) {
	t.Repeat(map[string]func(*rapid.T){
		"":                m.compare,
		"upload":          m.upload,
		"mount":           m.mount,
		"head":            m.head,
		"push":            m.push,
		"push whole":      m.pushWhole,
		"push whole, too": m.pushWhole, // twice as often as the others: without images there is little to see
		"delete a blob":   m.deleteBlob,
		"delete a tag":    m.deleteTag,
		"delete manifest": m.deleteManifest,
		"restore":         m.restore,
		"collect":         m.collect,
		"empty":           m.empty,
	})
}

// state is that of a manifest, or of a blob in a namespace.
type state string

// What is not in a map is gone.
const (
	live      state = "live"
	condemned state = "condemned"
)

// model is what must be there, beside the Registry that has it. Images and blobs are known by where they are in
// the lists of their namespace.
type model struct {
	reg    *registry.Registry
	spaces []*space
}

// space is a namespace. Its images name each other, so they come in an order in which they can be pushed.
type space struct {
	ns       oci.Name
	images   []*image
	subject  map[int]int // of a referrer
	children map[int][]int

	manifests map[int]state
	blobs     map[string]state
	tags      map[oci.Tag]int
	kept      map[oci.Tag]int // what each tag that was removed can be restored to for sure
}

var (
	modelBlobs = []string{"{}", "a", "b", "c", "of a referrer"}
	modelTags  = []oci.Tag{ocitest.Tag("v1"), ocitest.Tag("v2"), ocitest.Tag("LATEST")}
)

func newSpace(ns string) *space {
	s := &space{
		ns: ocitest.Name(ns), subject: map[int]int{3: 0, 4: 2, 5: 3}, children: map[int][]int{2: {0, 1}},
		manifests: map[int]state{}, blobs: map[string]state{}, tags: map[oci.Tag]int{}, kept: map[oci.Tag]int{},
	}
	one, two := imageOf(s.ns, "one", nil, "a"), imageOf(s.ns, "two", nil, "a", "b")
	index := newIndex(s.ns, one, two)
	ofOne, ofIndex := imageOf(s.ns, "of one", one, "of a referrer"), imageOf(s.ns, "of index", index, "c")
	s.images = []*image{one, two, index, ofOne, ofIndex, imageOf(s.ns, "of a referrer", ofOne, "b")}
	return s
}

// ahead is the clock of a model's collector: what was condemned was so an hour ago, and what was pushed or removed
// half an hour ago, as the registry's own clock is not that far.
func ahead() time.Time { return time.Now().Add(time.Hour) }

func halfAhead() time.Time { return time.Now().Add(time.Hour / 2) }

// The ages. None is over at once; patience never; between is over for what was condemned and not for what was
// removed.
const (
	none     = 0
	between  = 45 * time.Minute
	patience = 24 * time.Hour
)

func modelFolder(t *rapid.T) storage.Store {
	root, err := os.MkdirTemp("", "sreg-model")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	s, err := fs.New(fs.Config{Root: root}, fs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newModel(t *rapid.T, s storage.Store) *model {
	reg, err := registry.New(t.Context(), registry.Options{
		Blobs: s, Metadata: s, Locks: lockmemory.New(), Config: registry.DefaultConfig(), Now: halfAhead,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &model{reg: reg, spaces: []*space{newSpace("one/space"), newSpace("other")}}
}

func (m *model) anySpace(t *rapid.T, which string) *space {
	return m.spaces[rapid.IntRange(0, len(m.spaces)-1).Draw(t, which)]
}

func anyBlob(t *rapid.T) string { return rapid.SampledFrom(modelBlobs).Draw(t, "blob") }

func anyTag(t *rapid.T) oci.Tag { return rapid.SampledFrom(modelTags).Draw(t, "tag") }

func (s *space) anyImage(t *rapid.T) int { return rapid.IntRange(0, len(s.images)-1).Draw(t, "image") }

// wantUnknown compares an answer with whether the model has what was asked for.
func wantUnknown(t *rapid.T, err error, there bool, unknown error) {
	switch {
	case there && err != nil:
		t.Fatalf("%v, want success", err)
	case !there && !errors.Is(err, unknown):
		t.Fatalf("%v, want %v", err, unknown)
	}
}

func (m *model) upload(t *rapid.T) {
	s, blob := m.anySpace(t, "space"), anyBlob(t)
	if err := pusher(m.reg).PushBlob(t.Context(), s.ns, ocitest.Layer(blob)); err != nil {
		t.Fatal(err)
	}
	s.blobs[blob] = live
}

func (m *model) mount(t *rapid.T) {
	s, from, blob := m.anySpace(t, "space"), m.anySpace(t, "from"), anyBlob(t)
	_, there := from.blobs[blob]
	wantUnknown(t, m.reg.MountBlob(t.Context(), s.ns, from.ns, ocitest.DigestOf(blob)), there, registry.ErrBlobUnknown)
	if there {
		s.blobs[blob] = live
	}
}

func (m *model) head(t *rapid.T) {
	s, blob := m.anySpace(t, "space"), anyBlob(t)
	_, there := s.blobs[blob]
	_, err := m.reg.StatBlob(t.Context(), s.ns, ocitest.DigestOf(blob))
	wantUnknown(t, err, there, registry.ErrBlobUnknown)
	if there {
		s.blobs[blob] = live
	}
}

// push pushes a manifest alone. What it names is live afterwards, as far as it is there.
func (m *model) push(t *rapid.T) {
	s := m.anySpace(t, "space")
	m.pushManifest(t, s, s.anyImage(t), anyTags(t))
}

// pushWhole pushes first what a manifest names.
func (m *model) pushWhole(t *rapid.T) {
	s := m.anySpace(t, "space")
	at := s.anyImage(t)
	for _, child := range append(slices.Clone(s.children[at]), at) {
		for _, blob := range s.images[child].Blobs() {
			if err := pusher(m.reg).PushBlob(t.Context(), s.ns, blob); err != nil {
				t.Fatal(err)
			}
			s.blobs[blob.Text] = live
		}
		if child != at {
			m.pushManifest(t, s, child, nil)
		}
	}
	m.pushManifest(t, s, at, anyTags(t))
}

func anyTags(t *rapid.T) []oci.Tag {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(modelTags), 0, 2, rapid.ID).Draw(t, "tags")
}

func (m *model) pushManifest(t *rapid.T, s *space, at int, tags []oci.Tag) {
	i := s.images[at]
	err := pusher(m.reg).PushManifest(t.Context(), s.ns, i.Content, tags...)
	complete := s.revive(at)
	var missing *registry.MissingError
	switch {
	case complete && err != nil, !complete && !errors.As(err, &missing):
		t.Fatalf("push: %v, want success: %t", err, complete)
	case !complete:
		return
	}
	s.manifests[at] = live
	for _, tag := range tags {
		s.tags[tag] = at
	}
}

// revive makes live what a manifest names, and says whether all of it is there.
func (s *space) revive(at int) (complete bool) {
	complete = true
	for _, blob := range s.images[at].Blobs() {
		if s.blobs[blob.Text] == "" {
			complete = false
			continue
		}
		s.blobs[blob.Text] = live
	}
	for _, child := range s.children[at] {
		switch s.manifests[child] {
		case "":
			complete = false
		case condemned:
			s.revive(child)
			s.manifests[child] = live
		}
	}
	return complete
}

func (m *model) deleteBlob(t *rapid.T) {
	s, blob := m.anySpace(t, "space"), anyBlob(t)
	_, there := s.blobs[blob]
	wantUnknown(t, m.reg.DeleteBlob(t.Context(), s.ns, ocitest.DigestOf(blob), ""), there, registry.ErrBlobUnknown)
	delete(s.blobs, blob)
}

func (m *model) deleteTag(t *rapid.T) {
	s, tag := m.anySpace(t, "space"), anyTag(t)
	_, there := s.tags[tag]
	wantUnknown(t, m.reg.DeleteTag(t.Context(), s.ns, tag, ""), there, registry.ErrManifestUnknown)
	if there {
		s.removeTag(tag)
	}
}

// removeTag takes a tag away, and notes whether it can come back: what is whole when it is removed is so when it is
// restored.
func (s *space) removeTag(tag oci.Tag) {
	at := s.tags[tag]
	delete(s.tags, tag)
	delete(s.kept, tag)
	if s.isWhole(at) {
		s.kept[tag] = at
	}
}

// isWhole tells whether all is there that a manifest names.
func (s *space) isWhole(at int) bool {
	_, there := s.manifests[at]
	for _, blob := range s.images[at].Blobs() {
		_, has := s.blobs[blob.Text]
		there = there && has
	}
	for _, child := range s.children[at] {
		there = there && s.isWhole(child)
	}
	return there
}

func (m *model) deleteManifest(t *rapid.T) {
	s := m.anySpace(t, "space")
	at := s.anyImage(t)
	_, there := s.manifests[at]
	wantUnknown(t, m.reg.DeleteManifest(t.Context(), s.ns, s.images[at].Digest, ""), there, registry.ErrManifestUnknown)
	for tag, of := range s.tags {
		if of == at {
			s.removeTag(tag)
		}
	}
	delete(s.manifests, at)
}

// restore undoes the removal of a tag. Until gc.trash is over that must succeed; later it may. How much of what
// it needs it has brought back by then is read from the store.
func (m *model) restore(t *rapid.T) {
	s, tag := m.anySpace(t, "space"), anyTag(t)
	if _, there := s.tags[tag]; there {
		return
	}
	want, sure := s.kept[tag]
	done, err := m.reg.Maintenance().Restore(t.Context(), registry.RestoreOptions{Namespace: s.ns, Tag: tag})
	s.read(t, m.reg)
	var missing *registry.MissingError
	if err != nil {
		if sure || !errors.Is(err, registry.ErrNotInTrash) && !errors.As(err, &missing) {
			t.Fatalf("restore: %v, want image %d for sure: %t", err, want, sure)
		}
		return
	}
	at := slices.IndexFunc(s.images, func(i *image) bool {
		return slices.Contains(done, registry.Restored{Kind: registry.KindTag, Namespace: s.ns, Tag: tag, Digest: i.Digest})
	})
	if at < 0 || s.manifests[at] != live || sure && (at != want || !s.isWhole(at)) {
		t.Fatalf("restored %v, image %d of %v and %v, want %d for sure: %t", done, at, s.manifests, s.blobs, want, sure)
	}
	s.tags[tag] = at
	delete(s.kept, tag)
}

// read takes the states from the store.
func (s *space) read(t *rapid.T, reg *registry.Registry) {
	for at, i := range s.images {
		readState(t, reg, s.manifests, at, registry.Object{Kind: registry.KindManifest, Namespace: s.ns, Digest: i.Digest})
	}
	for _, blob := range modelBlobs {
		readState(t, reg, s.blobs, blob, registry.Object{Kind: registry.KindLink, Namespace: s.ns, Digest: ocitest.DigestOf(blob)})
	}
}

func readState[K comparable](t *rapid.T, reg *registry.Registry, all map[K]state, one K, thing registry.Object) {
	info, err := reg.Maintenance().Stat(t.Context(), thing)
	switch {
	case errors.Is(err, registry.ErrGone):
		delete(all, one)
	case err != nil:
		t.Fatal(err)
	case info.Condemned:
		all[one] = condemned
	default:
		all[one] = live
	}
}

// keeping is a Retention that keeps some tags, and what has none or not.
type keeping struct {
	tags     []oci.Tag
	untagged bool
}

func (keeping) Rules(oci.Name) bool { return true }

func (k keeping) Decide(_ oci.Name, _ time.Time, images []registry.Image) []registry.Verdict {
	verdicts := make([]registry.Verdict, len(images))
	for i, image := range images {
		verdicts[i].Kept = image.Tag.IsZero() && k.untagged || slices.Contains(k.tags, image.Tag)
	}
	return verdicts
}

// collect is one run, each of its ages over or not.
func (m *model) collect(t *rapid.T) {
	var config gc.Config
	config.MaxDelete, config.Concurrency = "100%", 2
	if rapid.Bool().Draw(t, "all is young") {
		config.Grace = patience
	}
	config.Trash = rapid.SampledFrom([]time.Duration{none, between, patience}).Draw(t, "trash")
	config.UntaggedAfter = rapid.SampledFrom([]time.Duration{none, 1, patience}).Draw(t, "untagged go after")
	opts := gc.Options{Registry: m.reg.Maintenance(), Config: config, Now: ahead}
	var rules *keeping
	if rapid.Bool().Draw(t, "rules") {
		rules = &keeping{
			tags:     rapid.SliceOfDistinct(rapid.SampledFrom(modelTags), rapid.ID).Draw(t, "kept"),
			untagged: rapid.Bool().Draw(t, "untagged are kept"),
		}
		opts.Retention = rules
	}
	c, err := gc.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	protected := make([]protection, len(m.spaces))
	if config.Trash > none { // it was restored half an hour ago
		for i, s := range m.spaces {
			protected[i] = s.protection(t, m.reg)
		}
	}
	all := 100.0
	report, err := c.Run(t.Context(), gc.RunOptions{MaxDelete: &all})
	if err != nil {
		t.Fatalf("collect: %v: %q", err, report.Errors)
	}
	for i, s := range m.spaces {
		s.collect(config, rules, protected[i])
		if config.Trash == between {
			s.readWaiting(t, m.reg)
		}
	}
}

// protection is what was restored, and pushed by nobody since.
type protection struct {
	tags      map[oci.Tag]bool
	manifests map[int]bool
}

// protection reads it from the store: a restore brings back as much as its tag needs.
func (s *space) protection(t *rapid.T, reg *registry.Registry) protection {
	p := protection{tags: map[oci.Tag]bool{}, manifests: map[int]bool{}}
	for tag := range s.tags {
		stored, err := reg.Maintenance().Tag(t.Context(), s.ns, tag)
		if err != nil {
			t.Fatal(err)
		}
		p.tags[tag] = !stored.RestoredAt.IsZero()
	}
	for at := range s.manifests {
		stored, err := reg.Maintenance().Manifest(t.Context(), s.ns, s.images[at].Digest)
		if err != nil {
			t.Fatal(err)
		}
		p.manifests[at] = !stored.RestoredAt.IsZero()
	}
	return p
}

// readWaiting looks for what was condemned whether it waits for a restore or was destroyed. Whether a restore finds what
// it needs restore says.
func (s *space) readWaiting(t *rapid.T, reg *registry.Registry) {
	manifests, blobs := maps.Clone(s.manifests), maps.Clone(s.blobs)
	s.read(t, reg)
	wantWaiting(t, manifests, s.manifests)
	wantWaiting(t, blobs, s.blobs)
}

func wantWaiting[K comparable](t *rapid.T, want, got map[K]state) {
	maps.DeleteFunc(want, func(one K, now state) bool { return now == condemned && got[one] == "" })
	if !maps.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// collect is what a run does to a namespace.
func (s *space) collect(config gc.Config, rules *keeping, restored protection) {
	held, kept := s.newMarks(), s.newMarks()
	tagged := map[int]bool{}
	if config.Trash == none {
		clear(s.kept)
	}
	for tag, at := range s.tags {
		tagged[at] = true
		held.mark(at)
		if rules != nil && !slices.Contains(rules.tags, tag) && !restored.tags[tag] {
			s.removeTag(tag)
			continue
		}
		kept.mark(at)
	}
	for at, now := range s.manifests {
		if now == condemned {
			continue
		}
		held.mark(at)
		if config.Grace > 0 || restored.manifests[at] || staysUntagged(config, rules, tagged[at]) {
			kept.mark(at)
		}
	}
	advance(s.manifests, held.manifests, kept.manifests, config)
	advance(s.blobs, held.blobs, kept.blobs, config)
}

// staysUntagged tells whether a manifest stays although no tag that is kept leads to it.
func staysUntagged(config gc.Config, rules *keeping, tagged bool) bool {
	switch {
	case rules == nil:
		return config.UntaggedAfter == 0 || config.UntaggedAfter == patience
	case tagged:
		return false
	}
	return rules.untagged || config.UntaggedAfter == patience
}

// advance gives everything its next state.
func advance[K comparable](all map[K]state, held, kept map[K]bool, config gc.Config) {
	for one, now := range all {
		switch {
		case now == condemned && held[one]:
			all[one] = live
		case now == condemned && config.Trash == none:
			delete(all, one)
		case now == live && !kept[one] && config.Grace == 0:
			all[one] = condemned
		}
	}
}

// marks are what some manifests bring along.
type marks struct {
	s         *space
	manifests map[int]bool
	blobs     map[string]bool
}

func (s *space) newMarks() marks { return marks{s, map[int]bool{}, map[string]bool{}} }

func (m marks) mark(at int) {
	if m.manifests[at] {
		return
	}
	m.manifests[at] = true
	if _, there := m.s.manifests[at]; there {
		for _, blob := range m.s.images[at].Blobs() {
			m.blobs[blob.Text] = true
		}
		for _, child := range m.s.children[at] {
			m.mark(child)
		}
	}
	for referrer, subject := range m.s.subject {
		if _, there := m.s.manifests[referrer]; there && subject == at {
			m.mark(referrer)
		}
	}
}

// empty collects without patience until nothing but what has a tag is left.
func (m *model) empty(t *rapid.T) {
	for _, s := range m.spaces {
		clear(s.kept)
		kept := s.newMarks()
		for _, at := range s.tags {
			kept.mark(at)
		}
		keepOnly(s.manifests, kept.manifests)
		keepOnly(s.blobs, kept.blobs)
	}
	tidy(t, m.reg, ahead)
	wantBlobs := map[oci.Digest]bool{}
	for _, s := range m.spaces {
		for blob := range s.blobs {
			wantBlobs[ocitest.DigestOf(blob)] = true
		}
	}
	wantSame(t, "blobs", each(t, m.reg.Maintenance().Blobs(t.Context())), wantBlobs)
}

func keepOnly[K comparable](all map[K]state, kept map[K]bool) {
	for one := range all {
		if !kept[one] {
			delete(all, one)
			continue
		}
		all[one] = live
	}
}

// compare reads everything that there can be.
func (m *model) compare(t *rapid.T) {
	for _, s := range m.spaces {
		for _, blob := range modelBlobs {
			_, there := s.blobs[blob]
			wantUnknown(t, wholeBlob(m.reg, s.ns, ocitest.DigestOf(blob)), there, registry.ErrBlobUnknown)
		}
		for at, i := range s.images {
			_, there := s.manifests[at]
			m.compareManifest(t, s, oci.Reference{Digest: i.Digest}, at, there)
			m.compareReferrers(t, s, at)
		}
		for _, tag := range modelTags {
			at, there := s.tags[tag]
			m.compareManifest(t, s, oci.Reference{Tag: tag}, at, there)
		}
		m.compareTags(t, s)
		m.compareTrash(t, s)
	}
}

// compareTrash looks whether every restore that must succeed would.
func (m *model) compareTrash(t *rapid.T, s *space) {
	for tag := range s.kept {
		if _, there := s.tags[tag]; there {
			continue
		}
		if _, err := m.reg.Maintenance().Restore(t.Context(), registry.RestoreOptions{Namespace: s.ns, Tag: tag, DryRun: true}); err != nil {
			t.Fatalf("restore, when it must be possible: %v", err)
		}
	}
}

func (m *model) compareManifest(t *rapid.T, s *space, ref oci.Reference, at int, there bool) {
	stored, err := m.reg.GetManifest(t.Context(), s.ns, ref)
	wantUnknown(t, err, there, registry.ErrManifestUnknown)
	if there && string(stored.Content) != s.images[at].Text {
		t.Fatalf("%s in %s is %s, want %s", ref, s.ns, stored.Content, s.images[at].Text)
	}
}

func (m *model) compareReferrers(t *rapid.T, s *space, at int) {
	listed, err := registrytest.Referrers(t.Context(), m.reg, s.ns, s.images[at].Digest)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, referrer := range listed {
		got = append(got, referrer.String())
	}
	for referrer, subject := range s.subject {
		if _, there := s.manifests[referrer]; there && subject == at {
			want = append(want, s.images[referrer].Digest.String())
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("referrers of image %d in %s: got %q, want %q", at, s.ns, got, want)
	}
}

func (m *model) compareTags(t *rapid.T, s *space) {
	got, _, err := m.reg.ListTags(t.Context(), s.ns, "", 100)
	if err != nil && !errors.Is(err, registry.ErrNameUnknown) {
		t.Fatal(err)
	}
	var want []string
	for tag := range s.tags {
		want = append(want, tag.String())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Fatalf("tags of %s: got %q, want %q", s.ns, got, want)
	}
}
