package main_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// TestAStoreThatTurnsReadOnlyRefusesPushes has what a disk with errors does happen to the folder of a server: the
// kernel takes no writes there any more.
func TestAStoreThatTurnsReadOnlyRefusesPushes(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := serveConfigured(t, "storage: {min_free: 0}")
	w := newWire(t, s)
	if err := w.pushImage(old, one, tagOne); err != nil {
		t.Fatal(err)
	}
	writable := makeReadOnly(t, s.dir)
	for what, push := range map[string]func() error{
		"a blob":     func() error { return w.pushBlob(fresh, "two") },
		"a manifest": func() error { return w.pushManifest(old, one, tagBig) },
		"a mount":    func() error { return w.mount(fresh, old, one.Layers[0]) },
		"a delete":   func() error { return w.remove(old, "manifests/"+tagOne.String()) },
	} {
		err := push()
		if !httpapitest.Refused(err, http.StatusServiceUnavailable) || !strings.Contains(err.Error(), "takes no writes") {
			t.Errorf("%s: got %v, want 503 and why", what, err)
		}
	}
	within(t, patience, "a look at the store", func() bool { // it looks once a second at most
		_, err := w.send("GET", "/readyz", "", "")
		return httpapitest.Refused(err, http.StatusServiceUnavailable) && strings.Contains(err.Error(), "takes no writes")
	})
	if err := w.pull(old, one, tagOne); err != nil {
		t.Errorf("pull: %v", err)
	}
	writable()
	if err := w.pushImage(fresh, ocitest.Image("two"), tagOne); err != nil {
		t.Errorf("push when it takes writes again: %v", err)
	}
	checkStore(t, s.dir, w.acknowledged...)
}

// makeReadOnly puts a mount that takes no writes over a folder, until it is called.
func makeReadOnly(t *testing.T, dir string) (writable func()) {
	t.Helper()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount: %v", err)
	}
	mounted := true
	writable = func() {
		if !mounted {
			return
		}
		mounted = false
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}
	t.Cleanup(writable)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("mount read-only: %v", err)
	}
	return writable
}

func TestAServerWithTooLittleSpaceSaysSo(t *testing.T) {
	t.Parallel()
	s := serveConfigured(t, "storage: {min_free: 1000TiB}")
	s.process.await(t, regexp.MustCompile(`not ready: pushes are refused.*min_free`))
	_, err := newWire(t, s).send("GET", "/readyz", "", "")
	if !httpapitest.Refused(err, http.StatusServiceUnavailable) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("/readyz: got %v, want 503 and why", err)
	}
}
