package fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// Condemn renames the file to where condemned ones lie. It is not synced: a condemnation that a crash undoes is
// made again by the next run.
func (s *Store) Condemn(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), check(key)); err != nil {
		return err
	}
	if _, err := statFile(s.path(key)); gone(err) {
		// Already condemned, or gone, or just being revived: Stat tells.
		_, err := s.Stat(ctx, key)
		return err
	}
	to := s.condemned(key)
	err := os.Rename(s.path(key), to)
	if gone(err) {
		if err := os.MkdirAll(filepath.Dir(to), dirMode); err != nil {
			return fmt.Errorf("condemn object: %w", failure(err))
		}
		err = os.Rename(s.path(key), to)
	}
	if gone(err) {
		_, err := s.Stat(ctx, key) // another collector was faster
		return err
	}
	if err != nil {
		return fmt.Errorf("condemn object: %w", failure(err))
	}
	return nil
}

// Revive renames the file back unless it is live, and syncs its folder unless this process has. It
// looks at live, condemned, live, as a reader does, and again whenever it moved something.
func (s *Store) Revive(ctx context.Context, key string) (storage.Info, error) {
	if err := errors.Join(ctx.Err(), check(key)); err != nil {
		return storage.Info{}, err
	}
	state := storage.Live
	for {
		info, err := s.reviveLive(key)
		if !errors.Is(err, storage.ErrNotExist) {
			info.State = state
			return info, err
		}
		s.durable.Forget(key)
		err = renameNew(s.condemned(key), s.path(key))
		switch {
		case err == nil:
			state = storage.Condemned // it is live now; the next look makes it durable
		case errors.Is(err, fs.ErrExist):
		case gone(err):
			// In neither place: unless somebody moved it between the two looks, it is gone.
			return s.reviveLive(key)
		default:
			return storage.Info{}, fmt.Errorf("revive object: %w", failure(err))
		}
	}
}

// reviveLive makes a live object durable unless this process has.
func (s *Store) reviveLive(key string) (storage.Info, error) {
	st, err := statFile(s.path(key))
	if err != nil {
		return storage.Info{}, fmt.Errorf("revive object: %w", failure(err))
	}
	id := idOf(&st)
	if known, ok := s.durable.Get(key); !ok || known != id {
		if err := s.makeDurable(key, id); err != nil {
			return storage.Info{}, fmt.Errorf("revive object: %w", err)
		}
	}
	return infoOf(&st, storage.Live), nil
}

// makeDurable syncs the folder of a live object that somebody else may have written, and the
// folders above it.
func (s *Store) makeDurable(key string, id fileID) error {
	if err := s.ensureDir(filepath.Dir(s.path(key))); err != nil {
		return err
	}
	return s.settle(key, id)
}

// Destroy unlinks the file of a condemned object. Not synced: a file that a crash brings back
// is destroyed by the next run.
//
// A condemned file whose key is live is what a put left behind. It is no object, and stays
// until the live one is condemned over it or deleted with it: taking it away here could hit one that
// a collector puts there at this moment.
//
// A version is compared before: between the look and the unlink somebody could revive and condemn it anew,
// but only another collector condemns, and a claim of a folder cannot be lost.
func (s *Store) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if err := errors.Join(ctx.Err(), check(key)); err != nil {
		return err
	}
	if _, err := statFile(s.path(key)); err == nil {
		return fmt.Errorf("destroy object: it is live: %w", storage.ErrNotExist)
	}
	if opts.IfUnchanged != "" {
		st, err := statFile(s.condemned(key))
		if err != nil {
			return fmt.Errorf("destroy object: %w", failure(err))
		}
		if condemnedVersion(&st) != opts.IfUnchanged {
			return fmt.Errorf("destroy object: %w", storage.ErrChanged)
		}
	}
	if err := os.Remove(s.condemned(key)); err != nil {
		return fmt.Errorf("destroy object: %w", failure(err))
	}
	return nil
}

// condemnedVersion is the version of a condemned file: each rename sets its change time.
func condemnedVersion(st *unix.Stat_t) storage.Version {
	return storage.Version(fmt.Sprintf("%d.%d", st.Ino, st.Ctim.Nano()))
}

// Condemned walks the condemned files. One is there since its change time, which the rename set.
func (s *Store) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	return func(yield func(storage.Condemnation, error) bool) {
		s.walk(ctx, condemnedDir, prefix, func(key, path string) bool {
			st, err := statFile(path)
			if gone(err) {
				return true
			}
			if _, err := statFile(s.path(key)); err == nil {
				return true // what a put left behind, see Destroy
			}
			return yield(storage.Condemnation{Key: key, Size: st.Size, Since: time.Unix(0, st.Ctim.Nano()), Version: condemnedVersion(&st)}, err)
		}, func(err error) { yield(storage.Condemnation{}, err) })
	}
}

// Drafts walks what is pending.
func (s *Store) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	return func(yield func(storage.Draft, error) bool) {
		s.walk(ctx, pendingDir, prefix, func(key, path string) bool {
			data, err := os.ReadFile(path)
			if gone(err) {
				return true // published or discarded meanwhile
			}
			st, err := statFile(path)
			if gone(err) {
				return true
			}
			if end := strings.LastIndexByte(key, '~'); end >= 0 {
				key = key[:end]
			}
			return yield(storage.Draft{Key: key, Data: data, At: time.Unix(0, st.Mtim.Nano())}, err)
		}, func(err error) { yield(storage.Draft{}, err) })
	}
}

// walk visits the files of one of the store's own folders until visit says no. A failure is
// reported once and ends it.
func (s *Store) walk(ctx context.Context, dir, prefix string, visit func(key, path string) bool, fail func(error)) {
	top := s.root + "/" + dir
	if prefix != "" {
		if err := check(prefix); err != nil {
			fail(err)
			return
		}
		top += "/" + prefix
	}
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err := errors.Join(skipGone(err), ctx.Err()); err != nil || entry == nil || entry.IsDir() {
			return err
		}
		if !visit(strings.TrimPrefix(path, s.root+"/"+dir+"/"), path) {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		fail(fmt.Errorf("walk %s: %w", dir, err))
	}
}
