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

// lockTimeout bounds the wait for other writers. Each of them needs milliseconds, so a longer wait means that
// one of them hangs.
const lockTimeout = 30 * time.Second

// Edit changes a users file, or makes one. A reader sees the old file or the new one, also after a crash.
// Writers wait for each other: change is called with what the writer before has written, including lines with
// mistakes, so that they can be corrected one at a time. It is called again if another process has replaced
// the file meanwhile. If change returns an error, or changes nothing, nothing is written. Edit returns ErrBusy
// if it had to wait for too long.
//
// The file keeps its mode, and its owner and group as far as this process may set them; only its owner can
// read a new one. If the path is a symlink, its target is replaced.
func Edit(ctx context.Context, path string, change func(*File) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockTimeout, fmt.Errorf("%w: %s", ErrBusy, path))
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

// errMoved says that the path now leads to another file.
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

// create makes a file that is not there. It needs no lock: of all processes that try, one makes it, and the
// others then edit that file.
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

// lock opens and locks the users file itself, so that no lock file is needed. A process replaces the file only
// while it holds the lock of the file that the path leads to. After waiting for a lock the path may lead to
// another file: then the lock is useless, and errMoved makes the caller begin again. Otherwise no other
// process replaces the file until it is closed. A file that is held open keeps its inode, so the new file
// cannot be mistaken for it. The kernel unlocks the file when the process ends.
func lock(ctx context.Context, path, target string) (*os.File, error) {
	f, err := open(target)
	if err != nil {
		return nil, err
	}
	err = flock(ctx, f)
	if err == nil {
		err = checkNotReplaced(f, path, target)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// open opens for writing, too: a process that may not write to the file must not replace it, and NFS locks
// only files that are open for writing.
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

func checkNotReplaced(f *os.File, path, target string) error {
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

// flock polls rather than waits in the kernel, so that it can be cancelled.
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
	return write(target, f, atomicfile.Options{Prepare: func(temp *os.File) error { return keepOwner(temp, info) }})
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

// keepOwner gives a new file the owner, group and mode of the old one. A process that is not root may be unable
// to set them; then another group than that of the old file gets no rights to the new one.
func keepOwner(temp *os.File, old fs.FileInfo) error {
	mode := old.Mode().Perm()
	owner, ok := old.Sys().(*syscall.Stat_t)
	if ok && temp.Chown(int(owner.Uid), int(owner.Gid)) != nil && temp.Chown(-1, int(owner.Gid)) != nil {
		mode &^= 0o070
	}
	return temp.Chmod(mode)
}
