package main_test

import (
	"testing"

	"golang.org/x/sys/unix"
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
