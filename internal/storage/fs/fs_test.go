package fs_test

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/storagetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store { return newStore(t, t.TempDir()) })
}

func TestSyncedStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return create(t, fs.Config{Root: t.TempDir(), Sync: true}, fs.Options{})
	})
}

// TestStores opens two Stores on one folder: to each other they are two processes.
func TestStores(t *testing.T) {
	t.Parallel()
	storagetest.RunShared(t, func(t *testing.T) func() storage.Store {
		root := t.TempDir()
		return func() storage.Store { return newStore(t, root) }
	})
}

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

func TestARootThatIsAFileIsRefused(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(root, nil, 0o644))
	if _, err := fs.New(fs.Config{Root: root}, fs.Options{}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("new: %v, want it to ask for a folder", err)
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

func newStore(t testing.TB, root string) *fs.Store {
	t.Helper()
	return create(t, fs.Config{Root: root}, fs.Options{})
}

func create(t testing.TB, cfg fs.Config, opts fs.Options) *fs.Store {
	t.Helper()
	s := open(t, cfg, opts)
	must(t, s.Create(t.Context()))
	return s
}

func open(t testing.TB, cfg fs.Config, opts fs.Options) *fs.Store {
	t.Helper()
	s, err := fs.New(cfg, opts)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s storage.Store, key, data string) {
	t.Helper()
	_, err := s.Put(t.Context(), key, []byte(data), storage.PutOptions{})
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
