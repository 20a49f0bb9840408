package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// Claim locks a file by flock, which the kernel gives up when the process ends. The file stays when its
// holder ends: who removed it could remove another's lock.
func (s *Store) Claim(ctx context.Context, name, note string) (held context.Context, release func(), err error) {
	if err := errors.Join(ctx.Err(), check(name)); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(s.root, locksDir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, nil, fmt.Errorf("claim %s: %w", name, failure(err))
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &storage.ClaimedError{Name: name, Note: readNote(f)}
	} else if err == nil {
		err = writeNote(f, note)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("claim in %s: %w", s.root, err)
	}
	held, cancel := context.WithCancel(ctx)
	return held, sync.OnceFunc(func() {
		cancel()
		// A close alone would not do: a child that this process has just forked has the file, too, until it execs.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		f.Close()
	}), nil
}

// maxNote bounds what is read of somebody else's note, in bytes.
const maxNote = 4096

// readNote reads what the holder wrote, which may not be there yet.
func readNote(f *os.File) string {
	note, err := io.ReadAll(io.NewSectionReader(f, 0, maxNote))
	if err != nil || !strings.HasSuffix(string(note), "\n") {
		return ""
	}
	return strings.TrimSuffix(string(note), "\n")
}

func writeNote(f *os.File, note string) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("note who holds %s: %w", f.Name(), err)
	}
	if _, err := f.WriteAt([]byte(note+"\n"), 0); err != nil {
		return fmt.Errorf("note who holds %s: %w", f.Name(), err)
	}
	return nil
}
