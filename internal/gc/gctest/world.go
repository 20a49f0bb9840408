// Package gctest makes small worlds for tests of the collector: stores with images of which a short script
// tells, under a clock that the script moves.
// It promises that the same script makes the same stores, to the byte and to the second, and that what
// it pushes it pushes as a client does.
// It must not know what the collector ought to do with them.
package gctest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// Epoch is when every world begins.
var Epoch = time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)

// T is what a world needs of the test that it is made for: a *testing.T is one.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
	Cleanup(func())
}

// Options say how a world is configured. Its fields are those of the sections of the config.
type Options struct {
	Registry     registry.Config
	Repositories []registry.RepositoryConfig
	GC           gc.Config
	Retention    gc.Retention // nil: none
	// Folder is where the store lies; empty is in memory.
	Folder string
	// Begin is when the world begins; zero is Epoch.
	Begin time.Time
	// OwnTimes leaves to the file system of Folder when objects were written and condemned.
	OwnTimes bool
}

// World is a store, and what its script has made in it.
type World struct {
	Registry  *registry.Registry
	Collector *gc.Collector
	// Now is what the clock of the registry says.
	Now time.Time
	// StoreAhead and CollectorAhead are how far other clocks are ahead of it.
	StoreAhead, CollectorAhead time.Duration

	t           T
	opts        Options
	store       storage.Store
	maintenance *registry.Maintenance
	algorithm   oci.Algorithm
	named       map[string]*content
}

// content is what has a name in a script.
type content struct {
	ocitest.Content
	manifest bool
}

// New makes an empty world.
func New(t T, opts Options) *World {
	t.Helper()
	w := &World{Now: opts.Begin, t: t, opts: opts, algorithm: oci.SHA256, named: map[string]*content{}}
	if w.Now.IsZero() {
		w.Now = Epoch
	}
	w.Open()
	w.must(w.maintenance.Create(t.Context()))
	return w
}

// Open opens the store anew, as another process would.
func (w *World) Open() {
	w.t.Helper()
	w.openStore()
	var err error
	w.Registry, err = registry.New(w.t.Context(), registry.Options{
		Blobs: w.store, Metadata: w.store, Locks: lockmemory.New(), Config: w.opts.Registry, Repositories: w.opts.Repositories,
		Now: func() time.Time { return w.Now },
	})
	w.must(err)
	w.maintenance = w.Registry.Maintenance()
	w.Collector, err = gc.New(gc.Options{
		Registry: w.maintenance, Retention: w.opts.Retention, Config: w.opts.GC,
		Now: func() time.Time { return w.Now.Add(w.CollectorAhead) },
	})
	w.must(err)
}

func (w *World) openStore() {
	w.t.Helper()
	now := func() time.Time { return w.Now.Add(w.StoreAhead) }
	if w.opts.Folder == "" {
		if w.store == nil {
			w.store = memory.New(memory.Options{Now: now})
		}
		return
	}
	files, err := fs.New(fs.Config{Root: w.opts.Folder}, fs.Options{Folders: registry.Folders(), Private: registry.PrivateFolders()})
	w.must(err)
	w.must(files.Create(w.t.Context()))
	w.t.Cleanup(func() { w.must(files.Close()) })
	if w.opts.OwnTimes {
		w.store = files
		return
	}
	w.store = newClocked(files, now, w.store)
}

// Root is the folder of the store.
func (w *World) Root() string { return w.opts.Folder }

// Collect is one run of the collector.
func (w *World) Collect() *gc.Report {
	w.t.Helper()
	report, err := w.Collector.Run(w.t.Context(), gc.RunOptions{Holder: "the test"})
	w.must(err)
	return report
}

// Named are the digests of all names in the script.
func (w *World) Named() map[string]oci.Digest {
	named := map[string]oci.Digest{}
	for name, c := range w.named {
		named[name] = c.Digest
	}
	return named
}

// Digest is the digest of a name in the script.
func (w *World) Digest(name string) oci.Digest { return w.find(name).Digest }

// Names writes the names of the script into a text in place of their digests, which nobody can read.
func (w *World) Names(text string) string {
	for name, c := range w.named {
		text = strings.ReplaceAll(text, c.Digest.String(), name)
		text = strings.ReplaceAll(text, c.Digest.Hex(), "{"+name+"}")
	}
	return text
}

// Digests is the way back: it writes digests for the names of a reference.
func (w *World) Digests(ref string) string {
	if ns, name, found := strings.Cut(ref, "@"); found {
		return ns + "@" + w.Digest(name).String()
	}
	if c, known := w.named[ref]; known {
		return c.Digest.String()
	}
	return w.expand(ref)
}

var braces = regexp.MustCompile(`\{[^}]+\}`)

// expand writes the hexadecimal digits of a digest for a {name}, as they stand in tags.
func (w *World) expand(text string) string {
	return braces.ReplaceAllStringFunc(text, func(name string) string { return w.Digest(strings.Trim(name, "{}")).Hex() })
}

// Pull reads a manifest and all that it names, as far as the namespace holds it, and fails the test unless
// each has its digest.
func (w *World) Pull(ref string) {
	w.t.Helper()
	ns, reference := w.reference(ref)
	w.must(w.pull(ns, reference))
}

func (w *World) reference(ref string) (oci.Name, oci.Reference) {
	w.t.Helper()
	ns, text, isDigest := strings.Cut(w.Digests(ref), "@")
	if !isDigest {
		ns, text, _ = strings.Cut(ns, ":")
	}
	reference, err := oci.ParseReference(text)
	w.must(err)
	return w.name(ns), reference
}

func (w *World) pull(ns oci.Name, ref oci.Reference) error {
	stored, err := w.Registry.GetManifest(w.t.Context(), ns, ref)
	if err != nil {
		return err
	}
	if got := oci.DigestOf(stored.Digest.Algorithm(), stored.Content); got != stored.Digest {
		return fmt.Errorf("manifest %s in %s has digest %s", stored.Digest, ns, got)
	}
	m, err := oci.ParseManifest(stored.MediaType, stored.Content)
	if err != nil {
		return err
	}
	for _, blob := range m.Blobs() {
		if err := w.pullBlob(ns, blob.Digest); err != nil {
			return fmt.Errorf("of manifest %s: %w", stored.Digest, err)
		}
	}
	for _, child := range m.Children() {
		if err := w.pull(ns, oci.Reference{Digest: child.Digest}); err != nil {
			return fmt.Errorf("of index %s: %w", stored.Digest, err)
		}
	}
	return nil
}

func (w *World) pullBlob(ns oci.Name, d oci.Digest) error {
	blob, err := w.Registry.OpenBlob(w.t.Context(), ns, d)
	if err != nil {
		return err
	}
	defer blob.Content.Close()
	return verify(d, blob.Content)
}

// State is what a store holds: the state of each thing, and what each tag stands for, all by the names of
// the script.
type State map[string]string

// State looks at everything.
func (w *World) State() State {
	w.t.Helper()
	s := State{}
	for ns, err := range w.maintenance.Namespaces(w.t.Context()) {
		w.must(err)
		w.stateOf(ns, s)
	}
	for ns, err := range w.maintenance.InCatalog(w.t.Context()) {
		w.must(err)
		s[registry.Object{Kind: registry.KindNamespace, Namespace: ns}.String()] = "live"
	}
	for d, err := range w.maintenance.Blobs(w.t.Context()) {
		w.must(err)
		s[registry.Object{Kind: registry.KindBlob, Digest: d}.String()] = "live"
	}
	for condemned, err := range w.maintenance.Condemned(w.t.Context()) {
		w.must(err)
		s[condemned.String()] = "condemned"
	}
	for session, err := range w.maintenance.Sessions(w.t.Context()) {
		w.must(err)
		s[uploadOf(session.Namespace.String(), session.Size)] = "live"
	}
	named := State{}
	for what, state := range s {
		named[w.Names(what)] = w.Names(state)
	}
	return named
}

func uploadOf(ns string, size int64) string { return fmt.Sprintf("upload of %d bytes in %s", size, ns) }

// After is what a state becomes by a plan.
func (w *World) After(s State, p *gc.Plan) State {
	after := maps.Clone(s)
	for _, tag := range p.Tags {
		delete(after, w.Names(fmt.Sprintf("tag %s in %s", tag.Tag, tag.Namespace)))
	}
	for _, upload := range p.Uploads {
		delete(after, uploadOf(upload.Namespace, upload.Bytes))
	}
	for _, revived := range p.Revive {
		after[w.Names(revived.String())] = "live"
	}
	for _, destroyed := range p.Destroy {
		delete(after, w.Names(destroyed.String()))
		if destroyed.Kind == registry.KindManifest {
			w.forget(after, destroyed.Namespace, destroyed.Digest)
		}
	}
	for _, left := range p.Finish {
		if left.BringBack {
			after[w.Names(fmt.Sprintf("manifest %s in %s", left.Digest, left.Namespace))] = "live"
			continue
		}
		delete(after, w.Names(fmt.Sprintf("tag %s in %s", left.Tag, left.Namespace)))
		w.forget(after, left.Namespace, left.Digest)
	}
	for _, condemned := range p.Condemn {
		after[w.Names(condemned.String())] = "condemned"
	}
	return after
}

// forget drops the entry of a manifest among the referrers of its subject.
func (w *World) forget(s State, ns oci.Name, referrer oci.Digest) {
	maps.DeleteFunc(s, func(what, _ string) bool {
		return strings.HasPrefix(what, w.Names(fmt.Sprintf("entry of %s at ", referrer))) && strings.HasSuffix(what, " in "+ns.String())
	})
}

func (w *World) stateOf(ns oci.Name, s State) {
	w.t.Helper()
	for d, err := range w.maintenance.Revisions(w.t.Context(), ns) {
		w.must(err)
		s[registry.Object{Kind: registry.KindManifest, Namespace: ns, Digest: d}.String()] = "live"
	}
	for d, err := range w.maintenance.Links(w.t.Context(), ns) {
		w.must(err)
		s[registry.Object{Kind: registry.KindLink, Namespace: ns, Digest: d}.String()] = "live"
	}
	for tag, err := range w.maintenance.Tags(w.t.Context(), ns) {
		w.must(err)
		stored, err := w.maintenance.Tag(w.t.Context(), ns, tag)
		w.must(err)
		s[fmt.Sprintf("tag %s in %s", tag, ns)] = stored.Digest.String()
	}
	for entry, err := range w.maintenance.ReferrerEntries(w.t.Context(), ns) {
		w.must(err)
		s[fmt.Sprintf("entry of %s at %s in %s", entry.Digest, entry.Subject, ns)] = "live"
	}
}

// Changes are the lines that tell one state from the next one, sorted.
func (s State) Changes(next State) []string {
	var lines []string
	for what, state := range s {
		now, there := next[what]
		if !there {
			now = "gone"
		}
		if now != state {
			lines = append(lines, fmt.Sprintf("%s: %s, now %s", what, state, now))
		}
	}
	for what, state := range next {
		if _, there := s[what]; !there {
			lines = append(lines, fmt.Sprintf("%s: new, %s", what, state))
		}
	}
	slices.Sort(lines)
	return lines
}

func (w *World) find(name string) *content {
	w.t.Helper()
	c, known := w.named[name]
	if !known {
		w.t.Fatalf("nothing is called %q", name)
	}
	return c
}

func (w *World) name(text string) oci.Name {
	w.t.Helper()
	ns, err := oci.ParseName(text)
	w.must(err)
	return ns
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(w.Names(err.Error()))
	}
}

// errKilled ends what a script kills.
var errKilled = errors.New("killed")
