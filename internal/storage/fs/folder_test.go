package fs_test

import (
	"errors"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
)

func TestNewCreatesNothing(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "not", "yet")
	s := open(t, fs.Config{Root: root}, fs.Options{})
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("get from a folder that is not there: %v, want %v", err, storage.ErrNotExist)
	}
	if _, err := os.Stat(root); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("New made %s", root)
	}
	must(t, s.Create(t.Context()))
	must(t, s.Create(t.Context()))
	put(t, s, "a", "x")
}

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

func TestARootThatIsALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	must(t, os.Mkdir(target, 0o755))
	must(t, os.Symlink(target, link))
	through := create(t, fs.Config{Root: link, Sync: true}, fs.Options{})
	direct := newStore(t, target)
	put(t, through, "app/a", "x")
	if value, err := direct.Get(t.Context(), "app/a"); err != nil || string(value.Data) != "x" {
		t.Errorf("get = %s, %v", value.Data, err)
	}
	if through.Root() != direct.Root() {
		t.Errorf("roots are %s and %s, so that locks on them would differ", through.Root(), direct.Root())
	}
	must(t, os.Remove(link))
	must(t, os.Symlink(t.TempDir(), link))
	put(t, through, "app/b", "y")
	if _, err := direct.Get(t.Context(), "app/b"); err != nil {
		t.Errorf("a link that moved took the store along: %v", err)
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

func TestARootThatIsAFileIsRefused(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(root, nil, 0o644))
	if _, err := fs.New(fs.Config{Root: root}, fs.Options{}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("new: %v, want it to ask for a folder", err)
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
		if !errors.Is(err, syscall.EROFS) || errors.Is(err, storage.ErrNotExist) {
			t.Errorf("%s: %v, want %v", what, err, syscall.EROFS)
		}
	}
	if _, err := s.Get(t.Context(), "app/a"); err != nil {
		t.Errorf("get after refused writes: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestTheNamesThatAreKeptAreTrue changes a folder through another Store after its names were kept.
func TestTheNamesThatAreKeptAreTrue(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	reader, writer := newStore(t, root), newStore(t, root)
	want := []string{}
	check := func(what string) {
		t.Helper()
		slices.Sort(want)
		for range 3 {
			if got := list(t, reader, "app"); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		put(t, writer, "app/"+name, "x")
		want = append(want, name)
		check("in the tick of the change") // not settled, so nothing may be kept
	}
	for round := range 2 {
		settle(t, reader, "app")
		check("kept")
		put(t, writer, "app/new", "x")
		want = append(want, "new")
		check("after a put")
		settle(t, reader, "app")
		check("kept again")
		if round == 0 {
			must(t, writer.Condemn(t.Context(), "app/new"))
		} else {
			must(t, writer.Delete(t.Context(), "app/new", storage.DeleteOptions{}))
		}
		want = slices.DeleteFunc(want, func(name string) bool { return name == "new" })
		check("after it went")
		must(t, writer.Delete(t.Context(), "app/new", storage.DeleteOptions{}))
	}
}

func list(t *testing.T, s storage.Store, prefix string) []string {
	t.Helper()
	var names []string
	for entry, err := range s.List(t.Context(), prefix, storage.ListOptions{}) {
		must(t, err)
		names = append(names, entry.Name)
	}
	return names
}

// settle waits until a folder has been still for long enough.
func settle(t *testing.T, s storage.Fingerprinter, prefix string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, settled, err := s.Fingerprint(t.Context(), prefix)
		must(t, err)
		if settled {
			return
		}
		<-tick.C
	}
}

// TestManyWritersOfOneFolder join their syncs, and each of them finds its own object afterwards, also
// through another Store.
func TestManyWritersOfOneFolder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := create(t, fs.Config{Root: root, Sync: true}, fs.Options{})
	other := create(t, fs.Config{Root: root, Sync: true}, fs.Options{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 10 {
				key := "app/tags/" + string(rune('a'+i)) + string(rune('a'+j))
				if _, err := s.Put(t.Context(), key, []byte(key), storage.PutOptions{IfAbsent: true}); err != nil {
					t.Errorf("put %s: %v", key, err)
				}
				if value, err := other.Get(t.Context(), key); err != nil || string(value.Data) != key {
					t.Errorf("get %s = %s, %v", key, value.Data, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(list(t, other, "app/tags")); got != 160 {
		t.Errorf("%d objects, want 160", got)
	}
}

// TestComponentsOf255Bytes are the longest that a file system takes; a draft of one has a longer name.
func TestComponentsOf255Bytes(t *testing.T) {
	t.Parallel()
	s := newStore(t, t.TempDir())
	key := "app/" + strings.Repeat("a", 255)
	put(t, s, key, "x")
	must(t, s.Condemn(t.Context(), key))
	_, err := s.Revive(t.Context(), key)
	must(t, err)
	if _, err := s.Put(t.Context(), key+"a", []byte("x"), storage.PutOptions{}); !errors.Is(err, storage.ErrKey) {
		t.Errorf("put of 256 bytes: %v, want %v", err, storage.ErrKey)
	}
}
