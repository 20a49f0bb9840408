package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/atomicfile"
	"github.com/sreg-project/sreg/internal/storage"
)

// Put writes a temporary file, syncs it, and under the key's lock looks at the condition and
// renames. The folder is synced after the lock is given up.
func (s *Store) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	if err := errors.Join(ctx.Err(), check(key)); err != nil {
		return "", err
	}
	if err := s.put(ctx, key, data, opts); err != nil {
		return "", fmt.Errorf("put object: %w", failure(err))
	}
	return versionOf(data), nil
}

func (s *Store) put(ctx context.Context, key string, data []byte, opts storage.PutOptions) error {
	if err := s.ensureDir(filepath.Dir(s.path(key))); err != nil {
		return err
	}
	if len(data) == 0 && opts.IfUnchanged == "" {
		done, err := s.putEmpty(key, opts)
		if done || err != nil {
			return err
		}
	}
	temp, err := s.write(key, data)
	if err != nil {
		return err
	}
	unlock, err := s.stripes.lock(ctx, key)
	if err != nil {
		os.Remove(temp)
		return err
	}
	err = s.allowed(ctx, key, opts)
	if err == nil {
		// I/O under the lock, and the reason for it: between the look and the rename nobody may
		// change the key.
		err = os.Rename(temp, s.path(key))
	}
	unlock()
	if err != nil {
		os.Remove(temp)
		return err
	}
	return s.settleRenamed(key)
}

// putEmpty creates an empty object in one step: there is no content that could be half written or
// unsynced, so it needs no temporary file, and a sync of the folder makes it durable. It is not done
// where an object with content has to be replaced.
func (s *Store) putEmpty(key string, opts storage.PutOptions) (done bool, err error) {
	if opts.IfAbsent {
		if _, err := statFile(s.condemned(key)); err == nil {
			return false, storage.ErrExists
		}
	}
	mode, _ := s.modes(key)
	f, err := os.OpenFile(s.path(key), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if os.IsExist(err) {
		if opts.IfAbsent {
			return false, storage.ErrExists
		}
		st, err := statFile(s.path(key))
		if err != nil || st.Size > 0 {
			return false, skipGone(err)
		}
		return true, s.settle(key, idOf(&st))
	}
	if err != nil {
		return false, err
	}
	id, err := identify(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	return true, s.settle(key, id)
}

// allowed looks whether the condition of a put holds. The caller holds the key's lock.
func (s *Store) allowed(ctx context.Context, key string, opts storage.PutOptions) error {
	switch {
	case opts.IfAbsent:
		_, err := s.Stat(ctx, key)
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		if err == nil {
			return storage.ErrExists
		}
		return err
	case opts.IfUnchanged != "":
		return s.unchanged(ctx, key, opts.IfUnchanged)
	}
	return nil
}

// unchanged compares the content itself. The caller holds the key's lock.
func (s *Store) unchanged(ctx context.Context, key string, want storage.Version) error {
	now, err := s.Get(ctx, key)
	if errors.Is(err, storage.ErrNotExist) {
		return storage.ErrChanged
	}
	if err != nil {
		return err
	}
	if now.State != storage.Live || now.Version != want {
		return storage.ErrChanged
	}
	return nil
}

// Delete removes what the key names in every state, looking again until a pass finds nothing, and
// syncs the folders that lost an entry.
func (s *Store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if err := errors.Join(ctx.Err(), check(key)); err != nil {
		return err
	}
	unlock, err := s.stripes.lock(ctx, key)
	if err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	if opts.IfUnchanged != "" {
		err = s.unchanged(ctx, key, opts.IfUnchanged)
	}
	var lost []string
	if err == nil {
		lost, err = s.unlink(key)
	}
	unlock()
	if err != nil {
		return fmt.Errorf("delete object: %w", failure(err))
	}
	s.durable.Forget(key)
	if opts.MayReturn {
		return nil
	}
	for _, path := range lost {
		if err := s.syncPath(filepath.Dir(path)); err != nil {
			return fmt.Errorf("delete object: %w", err)
		}
	}
	return nil
}

// unlink looks at condemned, live, condemned until a pass finds nothing, because a collector or a reviver may
// move the object between two looks.
func (s *Store) unlink(key string) (lost []string, err error) {
	for found := true; found; {
		found = false
		for _, path := range []string{s.condemned(key), s.path(key), s.condemned(key)} {
			err := unix.Unlink(path)
			switch {
			case err == nil:
				found = true
				lost = append(lost, path)
			case !gone(err):
				return lost, &os.PathError{Op: "unlink", Path: path, Err: err}
			}
		}
	}
	return lost, nil
}

// Prepare writes the object below _pending. Its content is synced now, so that Publish is one
// rename and one sync.
func (s *Store) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	if err := errors.Join(ctx.Err(), check(key), s.roomy()); err != nil {
		return nil, err
	}
	p := &pending{s: s, key: key, path: s.root + "/" + pendingDir + "/" + key + "~" + randomName()}
	temp, err := s.write(key, data)
	if err != nil {
		return nil, fmt.Errorf("prepare object: %w", failure(err))
	}
	// Not durable on purpose: a draft that a crash takes was acknowledged to nobody.
	err = os.Rename(temp, p.path)
	if gone(err) {
		if err = os.MkdirAll(filepath.Dir(p.path), dirMode); err == nil {
			err = os.Rename(temp, p.path)
		}
	}
	if err != nil {
		os.Remove(temp)
		return nil, fmt.Errorf("prepare object: %w", failure(err))
	}
	return p, nil
}

type pending struct {
	s    *Store
	key  string
	path string
}

// Publish moves the draft to its place under the key's lock, and makes it durable there when the lock is given up.
func (p *pending) Publish(ctx context.Context) error {
	if err := p.publish(ctx); err != nil {
		return fmt.Errorf("publish object: %w", failure(err))
	}
	return nil
}

func (p *pending) publish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.s.ensureDir(filepath.Dir(p.s.path(p.key))); err != nil {
		return err
	}
	unlock, err := p.s.stripes.lock(ctx, p.key)
	if err != nil {
		return err
	}
	// I/O under the lock, as in put: who has looked at the key must not rename over what is published.
	err = os.Rename(p.path, p.s.path(p.key))
	unlock()
	if err != nil {
		return err
	}
	return p.s.settleRenamed(p.key)
}

func (p *pending) Discard(context.Context) error {
	if err := skipGone(os.Remove(p.path)); err != nil {
		return fmt.Errorf("discard object: %w", err)
	}
	return nil
}

// roomy refuses to begin what would fill the disk to its end: deletes and collection need room, too.
func (s *Store) roomy() error {
	if s.minFree <= 0 {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.root, &st); err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	//nolint:unconvert // the fields' types differ among operating systems
	if free := int64(st.Bavail) * int64(st.Bsize); free < s.minFree {
		return fmt.Errorf("%w: %d bytes are free, storage.min_free keeps %d", storage.ErrNoSpace, free, s.minFree)
	}
	return nil
}

// write makes a temporary file for a key that holds data and is synced, and returns where it lies. It has the mode of
// the key's file from the beginning.
func (s *Store) write(key string, data []byte) (path string, err error) {
	mode, _ := s.modes(key)
	f, err := atomicfile.Create(s.root+"/"+tempDir, mode)
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	// Sync before the rename: the name must never lead to bytes that a power cut can take.
	return f.Name(), s.syncFile(f)
}

// linkNew renames a file unless the new name is taken, in two steps: between them both names lead
// to the same bytes, which every reader takes for a live object.
func linkNew(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return skipGone(os.Remove(from))
}
