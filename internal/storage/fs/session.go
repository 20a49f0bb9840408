package fs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/atomicfile"
	"github.com/sreg-project/sreg/internal/storage"
)

// A session's file has the caller's label, and what packState made of the caller's notes. It is also
// what the session's writer holds by flock.
//
//	head    4 bytes   the label's length, big endian
//	label
//	state             see packState
const labelHead = 4

// packLabel is the content of a session that begins. The zeros overwrite the notes of the one that had
// the file before.
func packLabel(label []byte) []byte {
	packed := binary.BigEndian.AppendUint32(nil, uint32(len(label)))
	packed = append(packed, label...)
	return append(packed, make([]byte, sha256.Size)...)
}

// readSession reads the file of a session. The look at its name comes after the reading: a file that
// still has the name then had not been given to another session when it was read.
func readSession(f *os.File, path string) (label, state []byte, st unix.Stat_t, err error) {
	packed, err := io.ReadAll(f)
	if err != nil {
		return nil, nil, st, err
	}
	mine, err := identify(f)
	if err != nil {
		return nil, nil, st, err
	}
	if st, err = statFile(path); err != nil {
		return nil, nil, st, err
	}
	label, state, ok := unpackSession(packed)
	if !ok || st.Ino != mine.inode {
		return nil, nil, st, storage.ErrNotExist
	}
	return label, state, st, nil
}

// unpackSession parts the label from the packed state.
func unpackSession(packed []byte) (label, state []byte, ok bool) {
	if len(packed) < labelHead {
		return nil, nil, false
	}
	length := binary.BigEndian.Uint32(packed)
	rest := packed[labelHead:]
	if uint64(length) > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:length], rest[length:], true
}

// packState puts before the state: a digest of all that follows, the size of the data, the run of
// the machine.
func packState(state []byte, boot string, size int64) []byte {
	body := binary.BigEndian.AppendUint64(nil, uint64(size))
	body = append(body, boot...)
	body = append(body, 0)
	body = append(body, state...)
	sum := sha256.Sum256(body)
	return append(sum[:], body...)
}

func unpackState(packed []byte, boot string, size int64) []byte {
	if len(packed) < sha256.Size {
		return nil
	}
	body := packed[sha256.Size:]
	sum := sha256.Sum256(body)
	want := packState(nil, boot, size)[sha256.Size:]
	if !bytes.Equal(sum[:], packed[:sha256.Size]) || !bytes.HasPrefix(body, want) {
		return nil
	}
	return body[len(want):]
}

// spareSessions is how many files of ended sessions are kept for the next ones.
const spareSessions = 64

// spares are files of ended sessions, among the temporary ones. To make a file and unlink it for every
// upload costs a file system more than the rest of a small upload, because it must not use an inode
// again at once and searches ever longer for another one. Two renames cost little.
type spares struct {
	mu    sync.Mutex
	paths []string // guarded by mu
}

// take opens a spare, or makes a file if there is none. The file is the caller's alone.
func (s *spares) take(dir string) (*os.File, error) {
	s.mu.Lock()
	var path string
	if last := len(s.paths) - 1; last >= 0 {
		path, s.paths = s.paths[last], s.paths[:last]
	}
	s.mu.Unlock()
	if path != "" {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if !gone(err) { // else somebody swept it
			return f, err
		}
	}
	return atomicfile.Create(dir, fileMode)
}

// give keeps a file, or removes it if there are enough.
func (s *spares) give(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.paths) == spareSessions {
		os.Remove(path)
		return
	}
	s.paths = append(s.paths, path)
}

func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range s.paths {
		os.Remove(path)
	}
	s.paths = nil
}
