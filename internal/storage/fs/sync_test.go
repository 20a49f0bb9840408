package fs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sreg-project/sreg/internal/storage"
)

// TestASyncThatBeganAfterMyRenameIsMine holds the round that is under way by hand: all who come
// meanwhile share the next one, and none of them returns with the round that began before it.
func TestASyncThatBeganAfterMyRenameIsMine(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	busy := &dirSync{}
	d := dirSyncs{dirs: map[string]*dirSync{path: busy}}
	const waiters = 20
	var wg sync.WaitGroup
	returned := make(chan error, waiters)
	for range waiters {
		wg.Go(func() { returned <- d.sync(path) })
	}
	for d.waiting(path) == nil {
		select {
		case err := <-returned:
			t.Fatalf("a sync returned (%v) with a round that began before it", err)
		default:
		}
	}
	select {
	case err := <-returned:
		t.Fatalf("a sync returned (%v) while the round before was under way", err)
	default:
	}
	d.end(path, busy)
	wg.Wait()
	for range waiters {
		if err := <-returned; err != nil {
			t.Errorf("sync: %v", err)
		}
	}
	if len(d.dirs) != 0 {
		t.Errorf("%d folders are still remembered", len(d.dirs))
	}
}

func (d *dirSyncs) waiting(path string) *round {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir := d.dirs[path]; dir != nil {
		return dir.next
	}
	return nil
}

// TestAFailedSyncIsEverybodysWhoSharesIt: nobody may take the failure of a shared round for success.
func TestAFailedSyncIsEverybodysWhoSharesIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gone")
	busy := &dirSync{}
	d := dirSyncs{dirs: map[string]*dirSync{path: busy}}
	var wg sync.WaitGroup
	errs := make(chan error, 10)
	for range 10 {
		wg.Go(func() { errs <- d.sync(path) })
	}
	for d.waiting(path) == nil {
		if len(errs) > 0 {
			t.Fatal("a sync returned before its round began")
		}
	}
	d.end(path, busy)
	wg.Wait()
	for range 10 {
		if err := <-errs; !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("sync: %v, want that the folder is gone", err)
		}
	}
}

// TestWhatAnotherProcessHasMovedIsSyncedAnew: a collector that condemns and revives moves the file away and back, and
// until it has synced that, a power cut takes the name. Whoever relies on it meanwhile syncs its folder first.
func TestWhatAnotherProcessHasMovedIsSyncedAnew(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(s *Store) error{
		"an empty object": func(s *Store) error {
			_, err := s.Put(t.Context(), "a/key", nil, storage.PutOptions{})
			return err
		},
		"an object": func(s *Store) error {
			_, err := s.Put(t.Context(), "a/key", []byte("x"), storage.PutOptions{})
			return err
		},
		"a published draft": func(s *Store) error {
			draft, err := s.Prepare(t.Context(), "a/key", []byte("x"))
			return errors.Join(err, draft.Publish(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := New(Config{Root: t.TempDir(), Sync: true}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := errors.Join(s.Create(t.Context()), put(s)); err != nil {
				t.Fatal(err)
			}
			// A sync of the folder waits from here on.
			dir, busy := filepath.Dir(s.path("a/key")), &dirSync{}
			s.syncs.dirs = map[string]*dirSync{dir: busy}
			revive := func() error {
				_, err := s.Revive(t.Context(), "a/key")
				return err
			}
			if err := revive(); err != nil {
				t.Fatal(err) // this process has made it durable, so nothing waits
			}
			moveAndBack(t, s.path("a/key"), filepath.Join(s.root, tempDir, "away"))
			revived := make(chan error, 1)
			go func() { revived <- revive() }() // ends with the sync
			for s.syncs.waiting(dir) == nil {
				select {
				case err := <-revived:
					t.Fatalf("it returned %v, and nothing was synced", err)
				default:
				}
			}
			s.syncs.end(dir, busy)
			if err := <-revived; err != nil {
				t.Error(err)
			}
		})
	}
}

// moveAndBack renames a file until the clock of the file system shows it.
func moveAndBack(t *testing.T, path, away string) {
	t.Helper()
	before, err := statFile(path)
	for now := before; err == nil && idOf(&now) == idOf(&before); now, err = statFile(path) {
		err = errors.Join(os.Rename(path, away), os.Rename(away, path))
		if err != nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
