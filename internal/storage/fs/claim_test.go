package fs

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAClaimEndsWithItsReleaseThoughAChildHasItsFile: between fork and exec a child has all files of its parent.
func TestAClaimEndsWithItsReleaseThoughAChildHasItsFile(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Root: t.TempDir()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, release, err := s.Claim(t.Context(), "collect", "one")
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := unix.Dup(descriptorOf(t, filepath.Join(s.root, locksDir, "collect")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(inherited) })
	release()
	_, release, err = s.Claim(t.Context(), "collect", "another")
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	release()
}

// descriptorOf finds an open file of this process.
func descriptorOf(t *testing.T, path string) int {
	t.Helper()
	const open = "/proc/self/fd"
	entries, err := os.ReadDir(open)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if at, err := os.Readlink(filepath.Join(open, entry.Name())); err == nil && at == path {
			n, err := strconv.Atoi(entry.Name())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s is not open", path)
	return -1
}
