package fs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames a file unless the new name is taken, in one atomic step where the file system
// can.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return linkNew(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: err}
	}
	return nil
}

// topOfHierarchy is FS_TOPDIR_FL of linux/fs.h, what chattr +T sets.
const topOfHierarchy = 0x00020000

// spread asks the file system to place the folders of a new store far from each other and from what
// lies beside it (the Orlov allocator of ext4). Then files that others remove, or that one part of the
// store removes, do not make the creations of another part slow. It is a hint: a file system that
// does not know it is as good a place.
func spread(root string) {
	f, err := os.Open(root)
	if err != nil {
		return
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|topOfHierarchy))
	}
}
