// Package atomicfile writes a file so that a reader sees the old content or the new one, whole.
// It promises that what Write acknowledged survives a crash of the process and of the machine, and
// that what failed leaves no temporary file behind.
// It must not know what it writes, nor who reads it.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// TempPrefix begins the name of every temporary file, so that what a killed process left behind can
// be told from everything else.
const TempPrefix = ".tmp-"

// Options say how a file is written.
type Options struct {
	// IfAbsent lets the write happen only where no file has the path, else it is fs.ErrExist. It
	// needs hard links; where the file system has none it is errors.ErrUnsupported, because
	// creating the final name first would show a reader half a file.
	IfAbsent bool
	// Prepare gets the temporary file while it is empty, to give it an owner, or another mode than 0600. Its error
	// ends the write.
	Prepare func(*os.File) error
}

// Write makes data the content of path. When it returns an error the old content is still there,
// except when the folder could not be synced: then the new content may be visible, but not durable.
func Write(path string, data []byte, opts Options) (err error) {
	dir := filepath.Dir(path)

	// 1. A temporary file on the same file system, under a name that no reader looks for.
	f, err := Create(dir, 0o600)
	if err != nil {
		return err
	}
	temp := f.Name()
	defer func() {
		if err != nil {
			// What failed matters more than the rest of it, which a sweep finds by its prefix.
			_ = os.Remove(temp)
		}
	}()

	if opts.Prepare != nil {
		if err := opts.Prepare(f); err != nil {
			_ = f.Close()
			return fmt.Errorf("prepare temporary file: %w", err)
		}
	}

	// 2. The bytes, on the disk before any name leads to them: a rename may become durable before
	// the data does, and a crash would then show an empty file.
	if err := fill(f, data); err != nil {
		return err
	}

	// 3. The name, in one atomic change.
	if err := publish(temp, path, opts.IfAbsent); err != nil {
		return err
	}

	// 4. The folder: the change of the name is durable only after this.
	return SyncDir(dir)
}

// Create makes a new file with a random name in dir and opens it for reading and writing. The umask narrows the
// mode, but the owner can always read and write. The name never existed before, so nobody can have put a symlink there.
func Create(dir string, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, TempPrefix+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, fmt.Errorf("create temporary file: %w", err)
	}
	if err := grantOwner(f); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return nil, fmt.Errorf("set mode of temporary file: %w", err)
	}
	return f, nil
}

// Sync makes what was written to f durable. An error is final: the kernel may have dropped the bytes
// that it could not write and a second sync would then succeed, so the caller throws the file away.
func Sync(f *os.File) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	return nil
}

// SyncDir makes the names in a folder durable: those that were added, changed and removed.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	err = d.Sync()
	_ = d.Close() // nothing was written through it
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		// Some network file systems refuse to sync a folder, because its names are durable at once.
		return nil
	}
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// grantOwner lets the owner read and write where the umask does not: nobody could open the file again.
func grantOwner(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&0o600 == 0o600 {
		return nil
	}
	return f.Chmod(info.Mode().Perm() | 0o600)
}

// fill writes data and closes the file also after an error. The close is checked, because a network
// file system may report there that it could not write.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = Sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// publish gives the temporary file its final name. A link fails where a file has the name already,
// which a rename would replace.
func publish(temp, path string, ifAbsent bool) error {
	if !ifAbsent {
		return os.Rename(temp, path)
	}
	err := os.Link(temp, path)
	if errors.Is(err, syscall.EPERM) {
		// This is what Linux answers where a file system has no hard links.
		return fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
	}
	if err != nil {
		return err
	}
	// The content has its final name; a temporary one that stays costs a name, which a sweep finds.
	_ = os.Remove(temp)
	return nil
}
