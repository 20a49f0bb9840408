package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/atomicfile"
)

// fileID tells a file from one that took its name later, and from itself after another process has moved it away and
// back: then the name may not be durable any more.
type fileID struct {
	inode   uint64
	changed int64 // nanoseconds; a rename sets it
}

func identify(f *os.File) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return idOf(&st), nil
}

func idOf(st *unix.Stat_t) fileID { return fileID{inode: st.Ino, changed: st.Ctim.Nano()} }

// settle makes the entry of a key durable and remembers it, so that whoever relies on it later need
// not sync again.
func (s *Store) settle(key string, id fileID) error {
	if err := s.syncPath(filepath.Dir(s.path(key))); err != nil {
		return err
	}
	s.durable.Put(key, id, 1)
	return nil
}

// settleRenamed is settle for a file that has just been renamed to its key. Whoever has moved it since makes it durable.
func (s *Store) settleRenamed(key string) error {
	st, err := statFile(s.path(key))
	if err != nil {
		return s.syncPath(filepath.Dir(s.path(key)))
	}
	return s.settle(key, idOf(&st))
}

func (s *Store) syncFile(f *os.File) error {
	if !s.sync {
		return nil
	}
	return atomicfile.Sync(f)
}

// syncPath syncs a folder, together with everybody who asks for the same at the same time.
func (s *Store) syncPath(dir string) error {
	if !s.sync {
		return nil
	}
	if err := s.syncs.sync(dir); err != nil {
		return fmt.Errorf("sync folder: %w", failure(err))
	}
	return nil
}

// ensureDir makes the folder of an object, and makes it durable up to the root unless this process
// has done so already: a folder that somebody else just made may be visible and not yet durable.
// Folders are never removed from a store in use, so what was durable once stays so.
func (s *Store) ensureDir(dir string) error {
	if _, ok := s.dirs.Get(dir); ok || dir == s.root {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := s.ensureDir(parent); err != nil {
		return err
	}
	_, mode := s.modes(strings.TrimPrefix(dir, s.root+"/") + "/")
	if err := os.Mkdir(dir, mode); err != nil && !os.IsExist(err) {
		return err
	}
	if err := s.syncPath(parent); err != nil {
		return err
	}
	s.dirs.Put(dir, struct{}{}, 1)
	return nil
}

// dirSyncs joins concurrent syncs of one folder: a sync that begins after my rename is mine too.
type dirSyncs struct {
	mu   sync.Mutex
	dirs map[string]*dirSync // guarded by mu; only folders with a sync under way
}

// dirSync is a folder with one round of syncing under way and at most one that waits for it.
type dirSync struct{ next *round }

type round struct {
	begin chan struct{} // closed when the round before it has ended
	done  chan struct{}
	err   error // set before done is closed
}

func (d *dirSyncs) sync(path string) error {
	d.mu.Lock()
	dir, busy := d.dirs[path]
	if !busy {
		if d.dirs == nil {
			d.dirs = map[string]*dirSync{}
		}
		dir = &dirSync{}
		d.dirs[path] = dir
		d.mu.Unlock()
		err := atomicfile.SyncDir(path)
		d.end(path, dir)
		return err
	}
	mine := dir.next
	if mine != nil {
		d.mu.Unlock()
		<-mine.done
		return mine.err
	}
	mine = &round{begin: make(chan struct{}), done: make(chan struct{})}
	dir.next = mine
	d.mu.Unlock()
	<-mine.begin
	mine.err = atomicfile.SyncDir(path)
	d.end(path, dir)
	close(mine.done)
	return mine.err
}

// end hands the folder to the round that waits, or forgets the folder.
func (d *dirSyncs) end(path string, dir *dirSync) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir.next == nil {
		delete(d.dirs, path)
		return
	}
	close(dir.next.begin)
	dir.next = nil
}
