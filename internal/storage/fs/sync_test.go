package fs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
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
