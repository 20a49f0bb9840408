package gc_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/storage"
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

// TestTheMarkerOfADeleteThatWasKilledGoes, also while an index names the manifest that was to go: no repair links what an
// index names, and the marker keeps everybody from its immutable tags.
func TestTheMarkerOfADeleteThatWasKilledGoes(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	p.image("one", "v1")
	one := ocitest.Image("one")
	p.manifest(ocitest.Index(one).Content, "all")
	_, err := p.store.Put(t.Context(), "team/app/_removed/sha256/"+one.Digest.Hex(), []byte("x"), storage.PutOptions{})
	p.must(err)
	if _, err := p.collect(3); err != nil {
		t.Fatal(err)
	}
	for d, err := range p.reg.Maintenance().Markers(t.Context(), p.ns) {
		t.Errorf("the marker of %s is left (%v)", d, err)
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

// TestWhatACondemnedManifestNamesIsNotDestroyedBeforeIt: the manifest waits and is read by everybody, so its layer stays,
// though that was condemned long before.
func TestWhatACondemnedManifestNamesIsNotDestroyedBeforeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t)
		p.trash = time.Hour
		manifest, layer := p.image("one")
		m := p.reg.Maintenance()
		for _, o := range []registry.Object{{Kind: registry.KindLink, Namespace: p.ns, Digest: layer}, {Kind: registry.KindBlob, Digest: layer}} {
			p.must(m.Condemn(t.Context(), o))
		}
		time.Sleep(2 * time.Hour)
		p.must(m.Condemn(t.Context(), registry.Object{Kind: registry.KindManifest, Namespace: p.ns, Digest: manifest}))
		time.Sleep(time.Minute)
		if report, err := p.collect(2); err != nil || !p.hasBlob(layer) {
			t.Errorf("the layer is there: %t, %v, freed %+v, want it as long as the manifest waits", p.hasBlob(layer), err, report.Freed)
		}
		time.Sleep(time.Hour)
		if _, err := p.collect(3); err != nil || p.hasBlob(layer) {
			t.Errorf("the layer is there: %t, %v, want it gone with the manifest", p.hasBlob(layer), err)
		}
	})
}

// TestACondemnedManifestOfAnotherRepositoryKeepsItsBytes: both namespaces have condemned the same image, and the trash of
// one is emptied before its time.
func TestACondemnedManifestOfAnotherRepositoryKeepsItsBytes(t *testing.T) {
	t.Parallel()
	p := newPushed(t)
	p.trash = time.Hour
	mine, others := p.ns, ocitest.Name("other")
	manifest, layer := p.image("one")
	p.ns = others
	p.image("one")
	p.only, p.early = mine, new(time.Duration)
	if report, err := p.collect(3); err != nil {
		t.Fatalf("%v: %q", err, report.Errors)
	}
	if _, err := p.reg.GetManifest(t.Context(), others, oci.Reference{Digest: manifest}); err != nil || !p.hasBlob(layer) {
		t.Errorf("the other repository has the manifest: %v, and its layer: %t, want both", err, p.hasBlob(layer))
	}
	p.ns = mine
	if _, err := p.reg.GetManifest(t.Context(), mine, oci.Reference{Digest: manifest}); !errors.Is(err, registry.ErrManifestUnknown) || p.hasBlob(layer) {
		t.Errorf("the repository has the manifest: %v, and its layer: %t, want neither", err, p.hasBlob(layer))
	}
}

// TestBytesWaitForACondemnedLink: the link is found by everybody as long as it waits, and so are the bytes, though they
// were condemned long before.
func TestBytesWaitForACondemnedLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPushed(t)
		p.trash = time.Hour
		blob := p.blob("alone")
		m := p.reg.Maintenance()
		p.must(m.Condemn(t.Context(), registry.Object{Kind: registry.KindBlob, Digest: blob}))
		time.Sleep(2 * time.Hour)
		p.must(m.Condemn(t.Context(), registry.Object{Kind: registry.KindLink, Namespace: p.ns, Digest: blob}))
		time.Sleep(time.Minute)
		if report, err := p.collect(2); err != nil || !p.hasBlob(blob) {
			t.Errorf("the bytes are there: %t, %v, freed %+v, want them as long as the link waits", p.hasBlob(blob), err, report.Freed)
		}
		time.Sleep(2 * time.Hour)
		if _, err := p.collect(3); err != nil || p.hasBlob(blob) {
			t.Errorf("the bytes are there: %t, %v, want them gone with the link", p.hasBlob(blob), err)
		}
	})
}
