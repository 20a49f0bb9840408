package commands_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
	"github.com/sreg-project/sreg/internal/lock/memory"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

func pushed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pushed REF BY WORD")
	}
	ns, ref := nameAndReference(ts, args[0])
	reg, closeStore := dataOf(ts)
	defer closeStore()
	image := ocitest.ImageOf(ocitest.Config("{}"), ocitest.Layer(args[2]))
	pusher := registrytest.Pusher{To: reg, By: args[1]}
	ts.Check(pusher.Push(context.Background(), ns, image, ref.Tag))
	ts.Setenv(args[2], image.Digest.String())
}

func deleted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: deleted REF BY")
	}
	ns, ref := nameAndReference(ts, args[0])
	reg, closeStore := dataOf(ts)
	defer closeStore()
	if ref.IsDigest() {
		ts.Check(reg.DeleteManifest(context.Background(), ns, ref.Digest, args[1]))
		return
	}
	ts.Check(reg.DeleteTag(context.Background(), ns, ref.Tag, args[1]))
}

func play(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: play FILE")
	}
	world := gctest.New(scriptT{ts}, gctest.Options{
		Registry: registry.DefaultConfig(), GC: gc.DefaultConfig(), Folder: ts.MkAbs("data"), OwnTimes: true,
		Begin: time.Now().Add(-100 * 24 * time.Hour).Truncate(time.Second),
	})
	world.Play(ts.ReadFile(args[0]))
	for name, d := range world.Named() {
		ts.Setenv(name, d.String())
	}
}

// scriptT is a script as the test of a world.
type scriptT struct{ ts *testscript.TestScript }

func (t scriptT) Helper()                           {}
func (t scriptT) Fatal(args ...any)                 { t.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (t scriptT) Fatalf(format string, args ...any) { t.ts.Fatalf(format, args...) }
func (t scriptT) Context() context.Context          { return context.Background() }
func (t scriptT) Cleanup(end func())                { t.ts.Defer(end) }

func nameAndReference(ts *testscript.TestScript, text string) (oci.Name, oci.Reference) {
	name, reference, isDigest := strings.Cut(text, "@")
	if !isDigest {
		name, reference, _ = strings.Cut(text, ":")
	}
	ns, err := oci.ParseName(name)
	ts.Check(err)
	ref, err := oci.ParseReference(reference)
	ts.Check(err)
	return ns, ref
}

// dataOf opens the registry in ./data, as a server does.
func dataOf(ts *testscript.TestScript) (reg *registry.Registry, closeStore func()) {
	store, err := fs.New(fs.Config{Root: ts.MkAbs("data")}, fs.Options{})
	ts.Check(err)
	ctx := context.Background()
	ts.Check(store.Create(ctx))
	reg, err = registry.New(ctx, registry.Options{Blobs: store, Metadata: store, Locks: memory.New(), Config: registry.DefaultConfig()})
	ts.Check(err)
	ts.Check(reg.Maintenance().Create(ctx))
	return reg, func() { store.Close() }
}
