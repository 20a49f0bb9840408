// Package fs keeps the objects of a store as files below one folder.
// It promises what storage.Store promises on any POSIX file system: what is acknowledged was
// synced, what changes changes by one rename, and several processes may share the folder.
// It must never know what its keys mean; folders that should exist from birth are told to it.
package fs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// The folders that are this package's own. No key begins with one of them.
//
//	_tmp/<random>              data on its way into an object; files of ended uploads
//	_pending/<key>~<random>    prepared objects
//	_trash/<key>               condemned objects
//	_uploads/<id>.session      an upload's label and state; beside it <id>.data
//	_locks/<stripe>            files to flock, never removed; so are those of claims
const (
	tempDir      = "_tmp"
	pendingDir   = "_pending"
	condemnedDir = "_trash"
	uploadsDir   = "_uploads"
	locksDir     = "_locks"
)

const (
	dirMode         = 0o755
	fileMode        = 0o644
	privateDirMode  = 0o700
	privateFileMode = 0o600
)

// rememberedKeys bounds what the store remembers to have synced, in entries. Forgetting costs one
// sync, never safety.
const rememberedKeys = 16384

// Options are what a Store needs besides its Config.
type Options struct {
	// MinFree is the free space, in bytes, below which uploads and drafts are refused.
	MinFree bytesize.Size
	// Folders are made when the store is created, so that no write ever has to make and sync them.
	Folders []string
	// Private are folders that only their owner may look into, and whose objects only their owner may read, from
	// the moment that they are made. They are made when the store is created, too.
	Private []string
}

// Store is a storage.Store on a folder. New makes one.
type Store struct {
	root    string
	sync    bool
	minFree int64
	folders []string
	private []string

	stripes stripes
	spares  spares
	pieces  pieces
	syncs   dirSyncs
	durable *lru.Cache[string, fileID]      // keys that this process has made durable
	dirs    *lru.Cache[string, struct{}]    // folders that this process has made durable, up to the root
	names   *lru.Cache[string, cachedNames] // sorted names of the folders listed last
	held    *heldFiles                      // small files read last
	boot    string
}

// New opens the store below cfg.Root and creates nothing: a folder that does not exist yet is an
// empty store until Create makes it.
func New(cfg Config, opts Options) (*Store, error) {
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", cfg.Root, err)
	}
	// A root that is a symbolic link is followed once: its target's parent is what gets synced.
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root = resolved
	}
	info, err := os.Stat(root)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("open store %s: it is a file, want a folder", root)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{
		root: root, sync: cfg.Sync, minFree: int64(opts.MinFree), folders: opts.Folders, private: opts.Private, boot: bootID(),
		durable: lru.New[string, fileID](rememberedKeys),
		dirs:    lru.New[string, struct{}](rememberedKeys),
		names:   lru.New[string, cachedNames](namesBudget),
		held:    newHeldFiles(),
	}
	s.stripes.dir = filepath.Join(root, locksDir)
	return s, nil
}

// Features are those of a folder, which can do everything.
func (s *Store) Features() storage.Features { return storage.Features{ConditionalWrites: true} }

// Root is the absolute folder that the store lies in, for start lines and locks.
func (s *Store) Root() string { return s.root }

// Probe writes a temporary file, reads it back and removes it. It fails, too, while less than MinFree is free.
func (s *Store) Probe(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.roomy(); err != nil {
		return fmt.Errorf("probe store: %w", err)
	}
	want := randomName()
	path := filepath.Join(s.root, tempDir, want)
	if err := os.WriteFile(path, []byte(want), fileMode); err != nil {
		return fmt.Errorf("probe store: %w", failure(err))
	}
	defer os.Remove(path)
	got, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("probe store: %w", err)
	}
	if string(got) != want {
		return fmt.Errorf("probe store: read back %d other bytes than were written", len(got))
	}
	return nil
}

// Sweep removes temporary files and drafts whose writers are gone, and what is left of sessions
// that have lost their label.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	limit := time.Now().Add(-olderThan)
	removed := 0
	for _, dir := range []string{tempDir, pendingDir} {
		err := filepath.WalkDir(filepath.Join(s.root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err := errors.Join(skipGone(err), ctx.Err()); err != nil || entry == nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil || info.ModTime().After(limit) {
				return skipGone(err)
			}
			if err := os.Remove(path); err != nil {
				return skipGone(err)
			}
			removed++
			return nil
		})
		if err != nil {
			return removed, fmt.Errorf("sweep store: %w", err)
		}
	}
	orphans, err := s.sweepSessions(limit)
	return removed + orphans, err
}

// Close closes the lock files and the files that are kept open, and removes the spare ones.
func (s *Store) Close() error {
	s.held.close()
	s.spares.close()
	return s.stripes.close()
}

// path is where the live object of a key lies.
func (s *Store) path(key string) string { return s.root + "/" + key }

// condemned is where the condemned object of a key lies.
func (s *Store) condemned(key string) string { return s.root + "/" + condemnedDir + "/" + key }

// modes are those of the file of a key and of its folder.
func (s *Store) modes(key string) (file, dir fs.FileMode) {
	for _, private := range s.private {
		if strings.HasPrefix(key, private+"/") {
			return privateFileMode, privateDirMode
		}
	}
	return fileMode, dirMode
}

// check refuses a malformed key, and one that could meet this package's own folders.
func check(key string) error {
	if first, _, _ := strings.Cut(key, "/"); reserved(first) {
		return fmt.Errorf("%w: %q is the store's own", storage.ErrKey, key)
	}
	return storage.CheckKey(key)
}

func reserved(name string) bool {
	switch name {
	case tempDir, pendingDir, condemnedDir, uploadsDir, locksDir:
		return true
	}
	return false
}

// failure gives an error of the operating system the name that callers branch on.
func failure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", storage.ErrNotWritable, err)
	case gone(err):
		return fmt.Errorf("%w: %w", storage.ErrNotExist, err)
	}
	return err
}

// gone says that a path leads nowhere. A file where a folder was expected counts: two keys would
// have to be prefixes of each other for it, and neither names the other.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func skipGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// randomName is a name that no other writer picks: 128 random bits.
func randomName() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// bootID tells one run of the machine from the next, and is empty where that is not to be known:
// then no state of a session outlives the process.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "process-" + randomName()
	}
	return strings.TrimSpace(string(id))
}

var (
	_ storage.Store         = (*Store)(nil)
	_ storage.Fingerprinter = (*Store)(nil)
	_ io.ReadSeekCloser     = (*os.File)(nil)
)
