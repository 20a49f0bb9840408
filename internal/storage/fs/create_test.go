package fs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sreg-project/sreg/internal/storage/fs"
)

func TestCreateMakesTheFoldersThatItIsTold(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	create(t, fs.Config{Root: root, Sync: true}, fs.Options{Folders: []string{"_blobs/sha256/00", "_blobs/sha256/ff"}})
	for _, dir := range []string{"_blobs/sha256/00", "_blobs/sha256/ff"} {
		if info, err := os.Stat(filepath.Join(root, dir)); err != nil || !info.IsDir() {
			t.Errorf("folder %s: %v", dir, err)
		}
	}
}

func TestAFolderThatHoldsSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		holds   string
		refused bool
	}{
		{"a stranger's file", "thesis.tex", true},
		{"a stranger's folder", "src/", true},
		{"what file systems have", "lost+found/", false},
		{"a hidden file", ".snapshot/", false},
		{"half of a store", "_tmp/", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(tt.holds+"x")), 0o755))
			if !strings.HasSuffix(tt.holds, "/") {
				must(t, os.WriteFile(filepath.Join(root, tt.holds), nil, 0o644))
			}
			s := open(t, fs.Config{Root: root}, fs.Options{})
			err := s.Create(t.Context())
			if (err != nil) != tt.refused {
				t.Fatalf("create: %v, want refused: %t", err, tt.refused)
			}
			if !tt.refused {
				return
			}
			if name := strings.TrimSuffix(tt.holds, "/"); !strings.Contains(err.Error(), name) {
				t.Errorf("create: %v, want it to name %s", err, name)
			}
			entries, err := os.ReadDir(root)
			if err != nil || len(entries) != 1 {
				t.Errorf("the folder holds %d entries, %v, want the stranger's alone", len(entries), err)
			}
		})
	}
}

// TestTheUmask runs itself as processes, because a umask belongs to a whole one.
func TestTheUmask(t *testing.T) {
	if mask := os.Getenv("FS_TEST_UMASK"); mask != "" {
		liveWithUmask(t, mask)
		return
	}
	t.Parallel()
	for _, mask := range []string{"0077", "0022", "0000", "0027", "0177", "0777"} {
		t.Run(mask, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheUmask$")
			cmd.Env = append(os.Environ(), "FS_TEST_UMASK="+mask, "FS_TEST_ROOT="+t.TempDir())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("with umask %s: %v\n%s", mask, err, out)
			}
		})
	}
}

func liveWithUmask(t *testing.T, mask string) {
	bits := 0
	for _, c := range mask {
		bits = bits*8 + int(c-'0')
	}
	syscall.Umask(bits)
	s := open(t, fs.Config{Root: os.Getenv("FS_TEST_ROOT")}, fs.Options{})
	err := s.Create(t.Context())
	if bits&0o700 != 0 {
		if err == nil || !strings.Contains(err.Error(), "umask") {
			t.Errorf("create: %v, want it to tell about the umask", err)
		}
		return
	}
	must(t, err)
	put(t, s, "app/a", "x")
	put(t, s, "app/empty", "")
	must(t, s.Condemn(t.Context(), "app/a"))
	_, err = s.Revive(t.Context(), "app/a")
	must(t, err)
	must(t, s.CreateUpload(t.Context(), "u", nil))
	u, err := s.OpenUpload(t.Context(), "u")
	must(t, err)
	_, err = u.Append(t.Context(), strings.NewReader("y"))
	must(t, err)
	_, err = u.Commit(t.Context(), "app/b")
	must(t, err)
	must(t, u.Close())
	for _, key := range []string{"app/a", "app/b", "app/empty"} {
		info, err := os.Stat(filepath.Join(s.Root(), key))
		must(t, err)
		if got, want := info.Mode().Perm(), os.FileMode(0o644&^bits); got != want {
			t.Errorf("%s has the mode %04o, want %04o", key, got, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }
