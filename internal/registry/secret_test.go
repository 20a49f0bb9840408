package registry

import (
	"errors"
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
			key, err := (&Registry{core: &core{metadata: store}}).KeepSecret(t.Context(), TokenKeys, fmt.Appendf(nil, "key %d", i))
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

func TestChangesOfASecretFollowEachOther(t *testing.T) {
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
	r := &Registry{core: &core{metadata: store}}
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			err := r.ChangeSecret(t.Context(), RevokedTokens, func(now []byte) ([]byte, error) { return append(now, 'x'), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if got, err := r.Secret(t.Context(), RevokedTokens); err != nil || string(got) != "xxxxxxxx" {
		t.Errorf("got %q, %v, want all 8 changes", got, err)
	}
	info, err := os.Stat(filepath.Join(cfg.Root, "_keys", "revoked"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file of its owner alone", info, err)
	}
	wrong := errors.New("wrong")
	if err := r.ChangeSecret(t.Context(), TokenKeys, func([]byte) ([]byte, error) { return nil, wrong }); !errors.Is(err, wrong) {
		t.Errorf("got error %v, want that of the change", err)
	}
}
