package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/storage/fs"
)

func TestInstancesThatStartTogetherKeepOneKey(t *testing.T) {
	t.Parallel()
	cfg := fs.DefaultConfig()
	cfg.Root = t.TempDir()
	store, err := fs.New(cfg, fs.Options{Folders: Folders(), Private: PrivateFolders()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kept sync.Map
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			key, err := (&Registry{core: &core{metadata: store}}).KeepTokenKey(t.Context(), fmt.Appendf(nil, "key %d", i))
			if err != nil {
				t.Error(err)
			}
			kept.Store(string(key), true)
		})
	}
	work.Wait()
	n := 0
	kept.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("got %d keys, want one", n)
	}
	info, err := os.Stat(filepath.Join(cfg.Root, "_keys"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o077 != 0 {
		t.Errorf("its folder has mode %o, want that it is its owner's alone", got)
	}
}
