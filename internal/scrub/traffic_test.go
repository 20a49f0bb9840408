package scrub_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
	"github.com/sreg-project/sreg/internal/scrub"
)

// traffic pushes and deletes images until it is ended, and remembers what was acknowledged.
type traffic struct {
	w    *world
	work sync.WaitGroup
	end  context.CancelFunc

	mu     sync.Mutex
	stands []registrytest.Fact // guarded by mu; images that nobody deletes
	pushed chan struct{}       // gets one for each image, while somebody takes it
}

// image pushes an image with a referrer; one that is in passing is deleted at once.
func (t *traffic) image(ctx context.Context, name string, passing bool) {
	tag := ocitest.Tag("t" + name)
	reg := t.w.reg
	failed := func(what string, err error) bool {
		if err != nil {
			t.w.t.Errorf("%s of image %s: %v", what, name, err)
		}
		return err != nil
	}
	image, pusher := ocitest.Image(name), registrytest.Pusher{To: reg}
	if failed("push", pusher.Push(ctx, app, image, tag)) {
		return
	}
	if passing {
		failed("delete", reg.DeleteManifest(ctx, app, image.Digest, "somebody"))
		failed("delete", reg.DeleteBlob(ctx, app, image.Layers[0].Digest, "somebody"))
		return
	}
	sbom := ocitest.SBOM(image)
	if failed("attach", pusher.Push(ctx, app, sbom)) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stands = append(append(t.stands, registrytest.ImageIs(app, image, tag)...), registrytest.ReferrerIs(app, image.Digest, sbom.Digest))
}

func (t *traffic) acknowledged() []registrytest.Fact {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]registrytest.Fact{}, t.stands...)
}

// await waits until n more images were pushed or deleted.
func (t *traffic) await(n int) {
	for range n {
		<-t.pushed
	}
}

func (t *traffic) stop() {
	t.end()
	t.work.Wait()
}

func (w *world) traffic(pushers int) *traffic {
	ctx, end := context.WithCancel(w.t.Context())
	t := &traffic{w: w, end: end, pushed: make(chan struct{})}
	for pusher := range pushers {
		t.work.Go(func() { // ends with the context, behind the image that is under way
			for i := 0; ctx.Err() == nil; i++ {
				t.image(w.t.Context(), fmt.Sprintf("%d-%d", pusher, i), i%3 == 0)
				select {
				case t.pushed <- struct{}{}:
				default:
				}
			}
		})
	}
	w.t.Cleanup(t.stop)
	return t
}

func TestBesidePushesAndDeletesNothingIsFoundAndNoRepairHarms(t *testing.T) {
	t.Parallel()
	w := openWorld(t, inFolder(t), nil, registry.DefaultConfig())
	traffic := w.traffic(3)
	traffic.await(5)
	for _, repair := range []bool{false, true, false, true, false, true} {
		w.wantCodes(w.verify(scrub.Options{Repair: repair, Patience: time.Minute}))
		traffic.await(3)
	}
	traffic.stop()
	w.wantCodes(w.verify(scrub.Options{}))
	w.check(traffic.acknowledged()...)
}

// TestABackupByCopyUnderLoadIsCompleteAfterARepair is cp -r of the data folder while images are pushed and
// deleted: a copy of many moments. What was acknowledged before it began is whole in it.
func TestABackupByCopyUnderLoadIsCompleteAfterARepair(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	w := openWorld(t, inFolderAt(root), nil, registry.DefaultConfig())
	traffic := w.traffic(3)
	traffic.await(30)
	before := traffic.acknowledged()
	backup := filepath.Join(t.TempDir(), "backup")
	// What is renamed or removed while cp looks at it makes cp complain, and go on.
	out, err := exec.Command("cp", "-r", root, backup).CombinedOutput()
	traffic.stop()
	if _, stat := os.Stat(filepath.Join(backup, "_format")); stat != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	restored := openWorld(t, inFolderAt(backup), nil, registry.DefaultConfig())
	restored.verify(scrub.Options{Repair: true})
	again := restored.verify(scrub.Options{})
	if critical := again.Counts[scrub.Critical]; critical > 0 {
		t.Errorf("after the repair %d are critical: %v", critical, codes(again))
	}
	restored.check(before...)
	// And it is a registry like any other.
	restored.pushAll()
	restored.check(before...)
}
