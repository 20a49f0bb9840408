package secret

import (
	"os"
	"path/filepath"
)

// Exposure is what users of this computer can do with a file who are neither its owner nor in its group.
type Exposure struct{ Readable, Writable bool }

// Exposed tells what others can do with a file, by its mode and by those of the folders that lead to it: what lies in a
// folder that they may not enter is out of their reach, and in one that they may write to they can replace what they
// like, unless it is sticky.
func Exposed(path string) (e Exposure, err error) {
	if path, err = filepath.Abs(path); err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return Exposure{}, err
	}
	for at, name := range path {
		if name != filepath.Separator {
			continue
		}
		info, err := os.Lstat(path[:at+1])
		if err != nil {
			return Exposure{}, err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return e, nil
		}
		e.Writable = e.Writable || info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0
	}
	info, err := os.Lstat(path)
	if err != nil {
		return Exposure{}, err
	}
	e.Readable = info.Mode().Perm()&0o004 != 0
	e.Writable = e.Writable || info.Mode().Perm()&0o002 != 0
	return e, nil
}
