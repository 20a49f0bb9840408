package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// heldError says that another process holds a lock that this one needs.
type heldError struct{ folder, by string }

func (e *heldError) Error() string {
	return fmt.Sprintf("another sreg serves the folder %s: %s", e.folder, e.by)
}

// Hint says what to do.
func (e *heldError) Hint() string { return "stop it, or choose another folder with --data" }

// holder is what the process that serves a folder notes in the lock file.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// lockToServe keeps two servers whose locks are in memory from sharing folders. The kernel gives the
// locks up when the process ends, however it ends. Unlock may be called more than once.
func lockToServe(folders []string, now time.Time) (unlock func(), err error) {
	var files []*os.File
	unlock = sync.OnceFunc(func() {
		for _, f := range files {
			_ = f.Close() // that is what unlocks it
		}
	})
	for _, folder := range folders {
		f, err := lockFolder(folder, now)
		if err != nil {
			unlock()
			return nil, err
		}
		files = append(files, f)
	}
	return unlock, nil
}

func lockFolder(folder string, now time.Time) (*os.File, error) {
	// The file stays when its holder ends: who removed it could remove another's lock.
	path := filepath.Join(folder, "_locks", "serve")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock folder %s: %w", folder, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &heldError{folder: folder, by: whoHolds(f)}
	} else if err == nil {
		err = noteHolder(f, now)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func noteHolder(f *os.File, now time.Time) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	note, err := json.Marshal(holder{PID: os.Getpid(), Host: host, Since: now.UTC().Truncate(time.Second)})
	if err != nil {
		return fmt.Errorf("note who holds %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("note who holds %s: %w", f.Name(), err)
	}
	if _, err := f.WriteAt(append(note, '\n'), 0); err != nil {
		return fmt.Errorf("note who holds %s: %w", f.Name(), err)
	}
	return nil
}

// whoHolds reads the note, which may not be there yet.
func whoHolds(f *os.File) string {
	var h holder
	if err := json.NewDecoder(f).Decode(&h); err != nil {
		return "it has just started"
	}
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
}
