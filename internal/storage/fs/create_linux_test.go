package fs_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

// TestAReadOnlyMount needs root, as the proof of the whole project does.
func TestAReadOnlyMount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if os.Getenv("SREG_TEST_PARTIAL") == "" {
			t.Fatal("this test mounts a file system: run it as root, or set SREG_TEST_PARTIAL=1 to leave it out")
		}
		t.Log("left out: it mounts a file system, which needs root")
		return
	}
	root := t.TempDir()
	must(t, syscall.Mount("tmpfs", root, "tmpfs", 0, "size=4m"))
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	writer := newStore(t, root)
	put(t, writer, "app/a", "x")
	must(t, writer.CreateUpload(t.Context(), "u", []byte("label")))
	must(t, writer.Close())
	must(t, syscall.Mount("", root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	s := open(t, fs.Config{Root: root}, fs.Options{})
	if value, err := s.Get(t.Context(), "app/a"); err != nil || string(value.Data) != "x" {
		t.Errorf("get = %s, %v", value.Data, err)
	}
	if _, _, err := s.StatUpload(t.Context(), "u"); err != nil {
		t.Errorf("stat upload: %v", err)
	}
	for what, err := range map[string]error{
		"probe": s.Probe(t.Context()), "condemn": s.Condemn(t.Context(), "app/a"),
		"put": second(s.Put(t.Context(), "app/b", []byte("x"), storage.PutOptions{})), "delete": s.Delete(t.Context(), "app/a", storage.DeleteOptions{}),
		"prepare": second(s.Prepare(t.Context(), "app/c", []byte("x"))), "create upload": s.CreateUpload(t.Context(), "v", nil),
	} {
		if !errors.Is(err, storage.ErrNotWritable) || errors.Is(err, storage.ErrNotExist) {
			t.Errorf("%s: %v, want %v", what, err, storage.ErrNotWritable)
		}
	}
	if _, err := s.Get(t.Context(), "app/a"); err != nil {
		t.Errorf("get after refused writes: %v", err)
	}
}
