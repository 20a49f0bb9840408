package fs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// settledAfter is how long ago a file must have changed before its stamp tells it from every later
// one: file systems count time in ticks of some milliseconds.
const settledAfter = time.Second

// Open opens the file of a live object, else that of a condemned one.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	f, info, err := s.open(ctx, key)
	if err != nil {
		return nil, info, err // a nil *os.File must not become an interface
	}
	return f, info, nil
}

func (s *Store) open(ctx context.Context, key string) (f *os.File, info storage.Info, err error) {
	err = s.find(ctx, key, func(path string, state storage.State) error {
		if f, err = os.Open(path); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			f.Close()
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			f.Close()
			return unix.ENOENT
		}
		info = infoOf(&st, state)
		return nil
	})
	if err != nil {
		return nil, storage.Info{}, fmt.Errorf("open object: %w", err)
	}
	return f, info, nil
}

// Get reads a file whole. Its version is a digest of its content, so that a file which comes back
// as it was counts as unchanged.
func (s *Store) Get(ctx context.Context, key string) (storage.Value, error) {
	f, info, err := s.open(ctx, key)
	if err != nil {
		return storage.Value{}, err
	}
	data := make([]byte, info.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		f.Close()
		return storage.Value{}, fmt.Errorf("read object: %w", err)
	}
	s.held.keep(key, f, info)
	return storage.Value{Info: info, Data: data, Version: versionOf(data)}, nil
}

// Stat looks at the file of a live object, else at that of a condemned one. A file that is held
// open answers without a walk along its path.
func (s *Store) Stat(ctx context.Context, key string) (info storage.Info, err error) {
	if info, ok := s.held.stat(key); ok {
		return info, ctx.Err()
	}
	err = s.find(ctx, key, func(path string, state storage.State) error {
		st, err := statFile(path)
		if err == nil {
			info = infoOf(&st, state)
		}
		return err
	})
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat object: %w", err)
	}
	return info, nil
}

// find looks at live, condemned, live: an object that is revived between two looks is found by the next. One
// that is revived and condemned again between two looks would be missed by three, so it looks twice more before it
// says that there is none: a reader that was stopped between its looks has met that.
func (s *Store) find(ctx context.Context, key string, look func(path string, state storage.State) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := check(key); err != nil {
		return err
	}
	err := look(s.path(key), storage.Live)
	for range 2 {
		if gone(err) {
			err = look(s.condemned(key), storage.Condemned)
		}
		if gone(err) {
			err = look(s.path(key), storage.Live)
		}
	}
	return failure(err)
}

// Fingerprint is the stamp of the folder: every change of an object in it is a rename, a creation or
// an unlink, and each of them changes the folder's times.
func (s *Store) Fingerprint(ctx context.Context, prefix string) (storage.Stamp, bool, error) {
	if err := ctx.Err(); err != nil {
		return storage.Stamp{}, false, err
	}
	if err := check(prefix); err != nil {
		return storage.Stamp{}, false, err
	}
	var st unix.Stat_t
	if err := unix.Stat(s.path(prefix), &st); err != nil {
		if gone(err) {
			return storage.Stamp{}, false, nil
		}
		return storage.Stamp{}, false, fmt.Errorf("stat folder: %w", err)
	}
	info := infoOf(&st, storage.Live)
	return info.Stamp, info.Settled, nil
}

// statFile is a stat without allocation. A folder is nobody's object.
func statFile(path string) (st unix.Stat_t, err error) {
	err = unix.Stat(path, &st)
	for err == unix.EINTR {
		err = unix.Stat(path, &st)
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = unix.ENOENT
	}
	return st, err
}

func infoOf(st *unix.Stat_t, state storage.State) storage.Info {
	changed := st.Ctim.Nano()
	return storage.Info{
		Size:    st.Size,
		ModTime: time.Unix(0, st.Mtim.Nano()),
		State:   state,
		Stamp:   stampOf(st),
		Settled: time.Now().UnixNano()-changed > int64(settledAfter),
	}
}

func stampOf(st *unix.Stat_t) storage.Stamp {
	return storage.Stamp{int64(st.Ino), st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

func versionOf(data []byte) storage.Version {
	sum := sha256.Sum256(data)
	return storage.Version(hex.EncodeToString(sum[:16]))
}
