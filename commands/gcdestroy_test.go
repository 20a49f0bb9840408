package commands_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// destroying is a store in which things are destroyed.
type destroying struct {
	t    *testing.T
	root string
	reg  *registry.Registry
	ns   oci.Name
}

func newDestroying(t *testing.T) *destroying {
	t.Helper()
	root := t.TempDir()
	return &destroying{t: t, root: root, reg: newEmptyStore(t, root), ns: ocitest.Name("team/app")}
}

func (d *destroying) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *destroying) push(m ocitest.Manifest, tags ...oci.Tag) oci.Digest {
	d.t.Helper()
	d.must(registrytest.Pusher{To: d.reg}.Push(d.t.Context(), d.ns, m, tags...))
	return m.Digest
}

func (d *destroying) delete(digest oci.Digest) {
	d.t.Helper()
	d.must(d.reg.DeleteManifest(d.t.Context(), d.ns, digest, "bob"))
}

func (d *destroying) run(want int, args ...string) string {
	d.t.Helper()
	var out, errs bytes.Buffer
	code := commands.Main(d.t.Context(), commands.IO{In: strings.NewReader(""), Out: &out, Err: &errs}, append(args, "--data", d.root))
	if code != want {
		d.t.Errorf("sreg %s: exit code %d, want %d:\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
	}
	return out.String() + errs.String()
}

func (d *destroying) says(text string, want ...string) {
	d.t.Helper()
	for _, part := range want {
		if !strings.Contains(text, part) {
			d.t.Errorf("want %q in\n%s", part, text)
		}
	}
}

func (d *destroying) hasManifest(digest oci.Digest) bool {
	d.t.Helper()
	_, err := d.reg.GetManifest(d.t.Context(), d.ns, oci.Reference{Digest: digest})
	return err == nil
}

func (d *destroying) hasBlob(digest oci.Digest) bool {
	d.t.Helper()
	_, err := d.reg.StatBlob(d.t.Context(), d.ns, digest)
	return err == nil
}

// TestADigestIsDestroyedWhereItIs, with what it names there: in other namespaces nobody meant its children.
func TestADigestIsDestroyedWhereItIs(t *testing.T) {
	t.Parallel()
	d := newDestroying(t)
	child := ocitest.Image("one")
	layer := child.Layers[0]
	index := d.push(ocitest.Index(child), ocitest.Tag("v1"))
	holder, pusher, deleter := ocitest.Name("holder"), ocitest.Name("pusher"), ocitest.Name("deleter")
	d.ns = holder
	d.push(child)
	d.must(registrytest.Pusher{To: d.reg}.PushBlob(t.Context(), pusher, layer))
	d.ns = deleter
	d.push(child, ocitest.Tag("v1"))
	d.delete(child.Digest)

	d.run(0, "gc", "destroy", index.String(), "--yes")
	if d.ns = ocitest.Name("team/app"); d.hasManifest(index) || d.hasManifest(child.Digest) || d.hasBlob(layer.Digest) {
		t.Error("the index or what it names is still where the index was")
	}
	if d.ns = holder; !d.hasManifest(child.Digest) || !d.hasBlob(layer.Digest) {
		t.Error("a namespace that holds the child alone has lost it")
	}
	if d.ns = pusher; !d.hasBlob(layer.Digest) {
		t.Error("a push that has begun has lost its layer")
	}
	d.run(0, "gc", "restore", "deleter:v1")
}

// TestADestructionLeavesWhatRestoresOthers: neither a layer that another deleted image needs goes from the trash, nor a
// manifest that another tag stood for.
func TestADestructionLeavesWhatRestoresOthers(t *testing.T) {
	t.Parallel()
	d := newDestroying(t)
	shared := ocitest.Layer("shared")
	one := d.push(ocitest.ImageOf(ocitest.Config("{}"), shared), ocitest.Tag("one"))
	two := d.push(ocitest.ImageOf(ocitest.Config(`{"two":2}`), shared), ocitest.Tag("two"), ocitest.Tag("second"))
	d.delete(one)
	d.delete(two)
	d.must(d.reg.DeleteBlob(t.Context(), d.ns, shared.Digest, "bob"))

	why := func(of oci.Digest) string {
		return "team/app needs it: manifest " + of.String() + " names it, and can be restored"
	}
	d.says(d.run(1, "gc", "destroy", "team/app@"+shared.Digest.String(), "--yes"), "not destroyed: ", why(one))
	d.says(d.run(0, "gc", "destroy", "team/app@"+one.String(), "--yes"), why(two))
	d.says(d.run(1, "gc", "destroy", "team/app:two", "--yes"), "team/app@"+two.String()+"\ttag second stood for it, and can be restored")
	d.run(0, "gc", "restore", "team/app:second")
	if !d.hasManifest(two) || !d.hasBlob(shared.Digest) {
		t.Error("what was restored is not whole")
	}

	d.delete(two)
	d.run(0, "gc", "destroy", "team/app@"+two.String(), "--yes")
	if trash := d.run(0, "gc", "trash"); strings.Contains(trash, "team/app") {
		t.Errorf("the trash has still\n%s", trash)
	}
}

// TestADestructionLeavesWhatATagStandsFor also where the manifest is in the trash alone: a delete of it was killed.
func TestADestructionLeavesWhatATagStandsFor(t *testing.T) {
	t.Parallel()
	d := newDestroying(t)
	child := ocitest.Image("one")
	d.push(child, ocitest.Tag("child"))
	index := d.push(ocitest.Index(child), ocitest.Tag("index"))
	tag := filepath.Join(d.root, "team", "app", "_manifests", "tags", "child")
	record, err := os.ReadFile(tag)
	d.must(err)
	d.delete(child.Digest)
	d.must(os.WriteFile(tag, record, 0o600))

	d.says(d.run(0, "gc", "destroy", "team/app@"+index.String(), "--yes"), "stays\tmanifest\tteam/app@"+child.Digest.String()+"\ttag child stands for it")
	d.run(0, "gc", "restore", "team/app@"+child.Digest.String())
}

// TestADestructionThatCannotBeChangesNothing: what undoes it does not go before that which it undoes can.
func TestADestructionThatCannotBeChangesNothing(t *testing.T) {
	t.Parallel()
	d := newDestroying(t)
	one := d.push(ocitest.Image("one"), ocitest.Tag("v1"), ocitest.Tag("v2"))
	d.must(d.reg.DeleteTag(t.Context(), d.ns, ocitest.Tag("v2"), "bob"))

	_, release, err := d.reg.Maintenance().ClaimCollector(t.Context(), "process 1 on earth")
	d.must(err)
	d.run(3, "gc", "destroy", "team/app@"+one.String(), "--yes")
	release()
	d.push(ocitest.Image("other"), ocitest.Tag("latest"))
	damaged := filepath.Join(d.root, "team", "app", "_manifests", "tags", "damaged")
	d.must(os.WriteFile(damaged, []byte("{"), 0o600))
	d.says(d.run(1, "gc", "destroy", "team/app@"+one.String(), "--yes"), "nothing was removed: one place in the store cannot be read")
	d.must(os.Remove(damaged))

	if _, err := d.reg.GetManifest(t.Context(), d.ns, oci.Reference{Tag: ocitest.Tag("v1")}); err != nil {
		t.Error(err)
	}
	d.run(0, "gc", "restore", "team/app:v2")
}
