package users

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sreg-project/sreg/internal/atomicfile"
)

// patience bounds the wait for other writers. Each of them needs milliseconds, so a wait that long means
// one that stands still.
const patience = 30 * time.Second

// Edit changes a users file, or makes one. A reader sees the old file or the new one, and so does who
// looks after a crash. Writers come one after the other: change sees what the writer before has left, with
// its mistakes, so that they can be mended one at a time. It may be called again after another writer was
// faster. When it returns an error, or changes nothing, nothing is written. It returns ErrBusy if the turn does not come.
//
// The file keeps its mode, and its owner and group as far as this process may give them; a new one is for
// its owner alone. Of a symlink the target is replaced.
func Edit(ctx context.Context, path string, change func(*File) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: %s", ErrBusy, path))
	defer cancel()
	err := errMoved
	for errors.Is(err, errMoved) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err = tryEdit(ctx, path, change)
	}
	return err
}

// errMoved says that the path has come to lead to another file.
var errMoved = errors.New("the users file was replaced")

func tryEdit(ctx context.Context, path string, change func(*File) error) error {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path, change)
	}
	if err != nil {
		return fmt.Errorf("find users file: %w", err)
	}
	held, err := lock(ctx, path, target)
	if err != nil {
		return err
	}
	defer held.Close() // that is what unlocks it
	return replace(held, target, change)
}

// create makes a file that is not there. It needs no lock: of all who try, one makes it, and the others
// edit what that one has made.
func create(path string, change func(*File) error) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("users file %s is a symlink to a file that is not there", path)
	}
	f := &File{}
	if err := change(f); err != nil || f.String() == "" {
		return err
	}
	err := write(path, f, atomicfile.Options{IfAbsent: true})
	if errors.Is(err, fs.ErrExist) {
		return errMoved
	}
	return err
}

// lock opens and locks the file itself, so that no lock file lies about. Whoever replaces the file holds
// the lock of the one that the path leads to. So who has waited for the lock of a file must look whether
// the path still leads to it: if it does, nobody else may replace it until we are done; if not, the lock
// is that of a file which is gone, and we begin anew with the one that took its place. A file that we hold
// open keeps its inode, so the new one cannot be taken for it. The kernel unlocks the file when the
// process ends, however it ends.
func lock(ctx context.Context, path, target string) (*os.File, error) {
	f, err := open(target)
	if err != nil {
		return nil, err
	}
	err = flock(ctx, f)
	if err == nil {
		err = wantSame(f, path, target)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// open opens for writing, too: who may not write to the file shall not replace it either, and NFS locks
// no other files.
func open(target string) (*os.File, error) {
	f, err := os.OpenFile(target, os.O_RDWR|syscall.O_NONBLOCK, 0) // a pipe does not wait
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMoved
	}
	if err != nil {
		return nil, fmt.Errorf("open users file: %w", err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, fmt.Errorf("users file %s is not a regular file", target))
	}
	return f, nil
}

func wantSame(f *os.File, path, target string) error {
	held, err := f.Stat()
	if err != nil {
		return err
	}
	now, err := filepath.EvalSymlinks(path)
	if err != nil || now != target {
		return errMoved
	}
	there, err := os.Lstat(target)
	if err != nil || !os.SameFile(held, there) {
		return errMoved
	}
	return nil
}

// flock asks again and again rather than wait in the kernel, so that it can be cancelled.
func flock(ctx context.Context, f *os.File) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock users file %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// replace writes the changed content to where the held file is.
func replace(held *os.File, target string, change func(*File) error) error {
	info, err := held.Stat()
	if err != nil {
		return err
	}
	var before bytes.Buffer
	f, err := read(io.TeeReader(held, &before))
	if err != nil {
		return fmt.Errorf("read users file %s: %w", target, err)
	}
	if err := change(f); err != nil {
		return err
	}
	if f.String() == before.String() {
		return nil
	}
	return write(target, f, atomicfile.Options{Prepare: func(temp *os.File) error { return keep(temp, info) }})
}

func write(path string, f *File, opts atomicfile.Options) error {
	content := f.String()
	if len(content) > maxFile {
		return fmt.Errorf("write users file %s: it would be over %d bytes", path, maxFile)
	}
	if err := atomicfile.Write(path, []byte(content), opts); err != nil {
		return fmt.Errorf("write users file: %w", err)
	}
	return nil
}

// keep gives a new file the owner, group and mode of the old one. Who is not root may not give a file
// away; then it keeps what it can, and a group that the old file was not for gets no rights to the new one.
func keep(temp *os.File, old fs.FileInfo) error {
	mode := old.Mode().Perm()
	owner, ok := old.Sys().(*syscall.Stat_t)
	if ok && temp.Chown(int(owner.Uid), int(owner.Gid)) != nil && temp.Chown(-1, int(owner.Gid)) != nil {
		mode &^= 0o070
	}
	return temp.Chmod(mode)
}
