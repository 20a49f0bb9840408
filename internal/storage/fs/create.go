package fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Create makes the folders of an empty store, durably. It may be called again at any time.
func (s *Store) Create(context.Context) error {
	dirs := []string{tempDir, pendingDir, condemnedDir, uploadsDir, locksDir}
	made := map[string]bool{}
	if _, err := os.Stat(filepath.Join(s.root, locksDir)); err != nil {
		if err := errors.Join(s.refuseForeign(), s.makeDir(s.root, dirMode, made)); err != nil {
			return err
		}
		spread(s.root)
	}
	for _, dir := range append(dirs, s.folders...) {
		if err := s.makeDir(filepath.Join(s.root, dir), dirMode, made); err != nil {
			return err
		}
	}
	for _, dir := range s.private {
		if err := s.makePrivate(filepath.Join(s.root, dir), made); err != nil {
			return fmt.Errorf("create store: %w", err)
		}
	}
	// Each folder that got an entry is synced once, however many it got.
	for parent := range made {
		if err := s.syncPath(parent); err != nil {
			return fmt.Errorf("create store: %w", err)
		}
	}
	return s.checkMask()
}

// refuseForeign keeps a mistyped folder that holds something else from becoming a store.
func (s *Store) refuseForeign() error {
	entries, err := os.ReadDir(s.root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create store: %w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "lost+found" && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, ".") {
			return fmt.Errorf("create store in %s: it holds %q and is no sreg store; choose an empty folder", s.root, name)
		}
	}
	return nil
}

// makePrivate makes a private folder. What lies in one that was there already, from a backup or an older version,
// becomes private, too.
func (s *Store) makePrivate(path string, made map[string]bool) error {
	if err := errors.Join(s.makeDir(path, privateDirMode, made), os.Chmod(path, privateDirMode)); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			err = errors.Join(err, skipGone(os.Chmod(filepath.Join(path, entry.Name()), privateFileMode)))
		}
	}
	return err
}

// makeDir makes a folder and those above it, and notes each parent that got a new entry.
func (s *Store) makeDir(path string, mode fs.FileMode, made map[string]bool) error {
	err := os.Mkdir(path, mode)
	switch {
	case err == nil:
		made[filepath.Dir(path)] = true
		return nil
	case errors.Is(err, fs.ErrExist):
		return nil
	case !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path):
		return fmt.Errorf("create store: %w", failure(err))
	}
	parent := filepath.Dir(path)
	if _, statErr := os.Stat(parent); statErr == nil {
		return fmt.Errorf("create store: %w", err) // the parent is there and takes no folders: /proc
	}
	if err := s.makeDir(parent, dirMode, made); err != nil {
		return err
	}
	return s.makeDir(path, mode, made)
}

// checkMask finds a umask that would hide the store's files from the store itself.
func (s *Store) checkMask() error {
	temp := filepath.Join(s.root, tempDir)
	if err := s.checkMode(temp); err != nil {
		return err
	}
	path := filepath.Join(temp, randomName())
	if err := os.Mkdir(path, dirMode); err != nil {
		return fmt.Errorf("write to store: %w", failure(err))
	}
	defer os.Remove(path)
	return s.checkMode(path)
}

// checkMode refuses a folder that its owner may not use.
func (s *Store) checkMode(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write to store: %w", err)
	}
	if info.Mode().Perm()&0o700 != 0o700 {
		return fmt.Errorf("write to store %s: the umask takes the owner's own rights (a new folder got mode %04o); set umask 022", s.root, info.Mode().Perm())
	}
	return nil
}
