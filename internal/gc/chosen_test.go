package gc_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/gc"
	lockmemory "github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
)

// destroyNow runs the collector for what was chosen alone.
func (p *pushed) destroyNow(digests ...oci.Digest) *gc.Report {
	p.t.Helper()
	c, err := gc.New(gc.Options{Registry: p.reg.Maintenance(), Config: gc.DefaultConfig()})
	p.must(err)
	chosen := map[oci.Digest]bool{}
	for _, d := range digests {
		chosen[d] = true
	}
	all := 100.0
	report, err := c.Run(p.t.Context(), gc.RunOptions{Only: gc.CollectPart, Chosen: &gc.Chosen{Digests: map[oci.Name]map[oci.Digest]bool{p.ns: chosen}, Bytes: chosen}, MaxDelete: &all})
	p.must(err)
	return report
}

// TestWhatIsChosenIsDestroyedWhateverItsAge, and nothing else: neither what another thing needs, nor what is as young.
func TestWhatIsChosenIsDestroyedWhateverItsAge(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, layer := p.image("one")
	_, kept := p.image("two", "v2")
	stray := p.blob("stray")
	for range 2 {
		p.destroyNow(manifest, layer, kept)
	}
	_, err := p.reg.GetManifest(t.Context(), p.ns, oci.Reference{Digest: manifest})
	if !errors.Is(err, registry.ErrManifestUnknown) || p.hasBlob(layer) {
		t.Errorf("the manifest: %v, its layer is there: %t, want both gone", err, p.hasBlob(layer))
	}
	if !p.hasBlob(kept) || !p.hasTag("v2") || !p.hasBlob(stray) {
		t.Errorf("a layer that is needed is there: %t, its tag: %t, a blob as young: %t, want all", p.hasBlob(kept), p.hasTag("v2"), p.hasBlob(stray))
	}
	var why []string
	for _, explained := range p.destroyNow(kept).Explanation {
		why = append(why, explained.What+": "+strings.Join(explained.Why, ", "))
	}
	if text := strings.Join(why, "; "); !strings.Contains(text, "in team/app: manifest "+ocitest.Image("two").Digest.String()+" names it, tag v2 stands for it") {
		t.Errorf("it stays: %s", text)
	}
}

// TestAPushBesideADestructionWinsOrIsRefused: one that comes before the destruction keeps what it needs, one that comes
// after it is told what is missing.
func TestAPushBesideADestructionWinsOrIsRefused(t *testing.T) {
	t.Parallel()
	for runs, wins := range []bool{true, true, false} {
		p := newPushed(t)
		image := ocitest.Image("one")
		p.must(p.pusher().PushBlob(t.Context(), p.ns, image.Config))
		layer := p.blob("layer one")
		for range runs {
			p.destroyNow(layer)
		}
		err := p.pusher().PushManifest(t.Context(), p.ns, image.Content, ocitest.Tag("v1"))
		for range 3 {
			p.destroyNow(layer)
		}
		var missing *registry.MissingError
		if wins && (err != nil || !p.hasTag("v1") || !p.hasBlob(layer)) || !wins && !errors.As(err, &missing) {
			t.Errorf("a push after %d runs: %v, the layer is there: %t, want that it wins: %t", runs, err, p.hasBlob(layer), wins)
		}
	}
}

// TestLinksOfOthersKeepTheBytes also where nothing names them and they are young.
func TestLinksOfOthersKeepTheBytes(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	p.trash = time.Hour
	layer := p.blob("shared")
	p.must(p.reg.MountBlob(t.Context(), ocitest.Name("other"), p.ns, layer))
	for range 3 {
		p.destroyNow(layer)
	}
	if p.hasBlob(layer) {
		t.Error("the namespace still holds the blob")
	}
	p.ns = ocitest.Name("other")
	if !p.hasBlob(layer) {
		t.Error("the blob of another namespace is gone")
	}
}

// TestADestructionLeavesWhatACondemnedManifestNames: as it leaves the manifest, in the same namespace or in another one,
// a push that needs the manifest may still come.
func TestADestructionLeavesWhatACondemnedManifestNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t)
		p.trash = gc.DefaultConfig().Trash
		p.decide = func(registry.Image) bool { return false }
		spaces := []oci.Name{p.ns, ocitest.Name("other")}
		var layer oci.Digest
		for _, p.ns = range spaces {
			_, layer = p.image("one")
		}
		time.Sleep(p.trash)
		if _, err := p.collect(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(p.trash)
		p.ns = spaces[0]
		for range 3 {
			p.destroyNow(layer)
		}
		for _, p.ns = range spaces {
			p.manifest(ocitest.Index(ocitest.Image("one")).Content, "v1")
			if !p.hasTag("v1") || !p.hasBlob(layer) {
				t.Errorf("%s: the push was acknowledged, and the layer is there: %t", p.ns, p.hasBlob(layer))
			}
		}
	})
}

// TestARunIsTried: it says what the run would say, and changes nothing.
func TestARunIsTried(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	manifest, layer := p.image("one")
	try := func(on storage.Store) error {
		reg, err := registry.New(t.Context(), registry.Options{Blobs: on, Metadata: on, Locks: lockmemory.New(), Config: p.config})
		p.must(err)
		c, err := gc.New(gc.Options{Registry: reg.Maintenance(), Config: gc.DefaultConfig()})
		p.must(err)
		digests := map[oci.Digest]bool{manifest: true, layer: true}
		few := 1.0
		return c.Try(t.Context(), gc.RunOptions{Only: gc.CollectPart, MaxDelete: &few, Chosen: &gc.Chosen{Digests: map[oci.Name]map[oci.Digest]bool{p.ns: digests}, Bytes: digests}})
	}
	var refused *gc.RefusedError
	if err := try(unconditional{p.store}); !errors.As(err, &refused) {
		t.Errorf("on a service without conditional writes: %v, want that it is refused", err)
	}
	if err := try(p.store); !errors.As(err, &refused) {
		t.Errorf("without a larger share: %v, want that it is refused", err)
	}
	for condemned, err := range p.reg.Maintenance().Condemned(t.Context()) {
		t.Errorf("%v was condemned: %v", condemned.Object, err)
	}
}

// unconditional is a store that honours no conditional writes.
type unconditional struct{ storage.Store }

func (unconditional) Features() storage.Features { return storage.Features{} }
