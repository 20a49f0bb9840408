package main_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/registry/registrytest"
)

// mountMemory mounts a file system of a size such as 4m, which lies in memory, until the test ends.
func mountMemory(t *testing.T, size string) (dir string) {
	t.Helper()
	needRoot(t)
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// freeBytes is what a file system has left.
func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

const ballast = 1 << 20 // bytes that make room when they go

// TestAFullDiskRefusesPushesAndKeepsWhatIsThere fills a small disk by pushes until nothing fits any more.
func TestAFullDiskRefusesPushesAndKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	disk := mountMemory(t, "6m")
	weight, rest := filepath.Join(disk, "ballast"), filepath.Join(disk, "rest")
	if err := os.WriteFile(weight, make([]byte, ballast), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveConfiguredIn(t, filepath.Join(disk, "data"), "storage: {min_free: 0}")
	w := newWire(t, s)
	if err := w.pushImage(old, one, tagOne); err != nil {
		t.Fatal(err)
	}
	fill(t, w, 300<<10)
	uploadsGiveTheirSpaceBack(t, w, disk)
	fill(t, w, 1)
	writeUntilFull(t, rest)
	for what, push := range map[string]func() error{
		"an upload": func() error {
			location, err := w.begin(fresh)
			if err == nil { // beginning one may need no room
				w.cancel(t, location)
			}
			return err
		},
		"a manifest": func() error { return w.pushManifest(old, one, tagBig) },
		"a mount":    func() error { return w.mount(fresh, old, one.Layers[0]) },
	} {
		before := freeBytes(t, disk)
		if err := push(); err != nil {
			wantNoSpace(t, what, err)
		}
		if free := freeBytes(t, disk); free < before {
			t.Errorf("%s was refused and keeps %d bytes", what, before-free)
		}
	}
	check := func() {
		t.Helper()
		if err := w.pull(old, one, tagOne); err != nil {
			t.Errorf("pull of what was there: %v", err)
		}
		if dangling := checkStore(t, s.dir, w.acknowledged...); len(dangling) > 0 {
			t.Errorf("S2: what is gone is named by %q", dangling)
		}
	}
	check()
	if err := errors.Join(os.Remove(weight), os.Remove(rest)); err != nil {
		t.Fatal(err)
	}
	if err := w.pushImage(fresh, ocitest.Image("two"), tagOne); err != nil {
		t.Errorf("push after room was made: %v", err)
	}
	check()
}

// fill pushes blobs of a size until one is refused, whose session it cancels.
func fill(t *testing.T, w *wire, size int) {
	t.Helper()
	for i := 0; ; i++ {
		if i > 10_000 {
			t.Fatal("the disk does not become full")
		}
		location, err := w.begin(old)
		if err == nil {
			content := randomText(size)
			if err = w.ack(w.complete(location, content, content), registrytest.BlobIs(old, content)); err == nil {
				continue
			}
			w.cancel(t, location)
		}
		wantNoSpace(t, "a blob", err)
		return
	}
}

// writeUntilFull takes the last bytes of a disk, as another program may.
func writeUntilFull(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	f.Close()
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func randomText(size int) string {
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	text := make([]byte, max(size, len(seed)))
	copy(text, seed)
	return string(text)
}

// cancel ends an upload.
func (w *wire) cancel(t *testing.T, location string) {
	t.Helper()
	if _, err := w.send(http.MethodDelete, location, "", ""); err != nil {
		t.Errorf("cancel: %v", err)
	}
}

// uploadsGiveTheirSpaceBack sends a blob that does not fit in each of the ways to send one.
func uploadsGiveTheirSpaceBack(t *testing.T, w *wire, disk string) {
	t.Helper()
	before := freeBytes(t, disk)
	content := randomText(2 << 20)
	d := ocitest.DigestOf(content).String()
	_, err := w.send(http.MethodPost, "/v2/"+fresh.String()+"/blobs/uploads/?digest="+d, "", content)
	wantNoSpace(t, "a POST of a whole blob", err)
	if free := freeBytes(t, disk); free < before {
		t.Errorf("a POST of a whole blob was refused and keeps %d bytes", before-free)
	}
	for _, method := range []string{http.MethodPatch, http.MethodPut} {
		location, err := w.begin(fresh)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.send(method, location+"?digest="+d, "", content)
		wantNoSpace(t, method, err)
		// What fitted is kept, so that the client can go on when there is room; or give up.
		w.cancel(t, location)
		if free := freeBytes(t, disk); free < before {
			t.Errorf("a %s was refused and cancelled, and keeps %d bytes", method, before-free)
		}
	}
}

// wantNoSpace wants a refusal that says what has to be done.
func wantNoSpace(t *testing.T, what string, err error) {
	t.Helper()
	var got *httpapitest.RefusedError
	if !errors.As(err, &got) || got.Status != http.StatusInsufficientStorage {
		t.Fatalf("%s: got %v, want 507", what, err)
	}
	info, err := got.Info()
	if err != nil || info.Code != oci.CodeUnavailable || !strings.Contains(info.Message, "make room") {
		t.Errorf("%s: got %+v, %v, want what has to be done", what, info, err)
	}
}
