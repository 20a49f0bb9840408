package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// The two files of a session. They lie in one folder with those of all others, because making a
// folder for each costs more than the rest of a small upload. Neither is synced before the commit: a
// session need not survive the machine.
const (
	sessionSuffix = ".session" // label and state, see session.go
	dataSuffix    = ".data"
)

// roomEvery is how many bytes of an append may pass between two looks at the free space.
const roomEvery = 64 << 20

// CreateUpload makes the session's file with its label.
func (s *Store) CreateUpload(ctx context.Context, id string, label []byte) error {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id), s.roomy()); err != nil {
		return err
	}
	f, err := s.spares.take(s.root + "/" + tempDir)
	if err != nil {
		return fmt.Errorf("create upload: %w", failure(err))
	}
	_, err = f.WriteAt(packLabel(label), 0)
	if err = errors.Join(err, f.Close()); err == nil {
		err = renameNew(f.Name(), s.session(id)+sessionSuffix)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("create upload: %w", failure(err))
	}
	return nil
}

// OpenUpload holds the session's file by flock. When the lock is there the name must still lead
// to the file: the writer before may have ended the session.
func (s *Store) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return nil, err
	}
	u := &upload{s: s, path: s.session(id)}
	var err error
	if u.held, err = os.OpenFile(u.path+sessionSuffix, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("open upload: %w", failure(err))
	}
	if err := u.hold(ctx); err != nil {
		u.held.Close()
		return nil, fmt.Errorf("open upload: %w", failure(err))
	}
	return u, nil
}

// StatUpload reads label and size without the lock.
func (s *Store) StatUpload(ctx context.Context, id string) (storage.Session, []byte, error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return storage.Session{}, nil, err
	}
	path := s.session(id)
	f, err := os.Open(path + sessionSuffix)
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", failure(err))
	}
	defer f.Close()
	label, _, st, err := readSession(f, path+sessionSuffix)
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", failure(err))
	}
	session := storage.Session{ID: id, Begun: time.Unix(0, st.Mtim.Nano())}
	if st, err := statFile(path + dataSuffix); err == nil {
		session.Size = st.Size
	}
	return session, label, nil
}

// ListUploads reads the folder of the sessions.
func (s *Store) ListUploads(ctx context.Context) iter.Seq2[storage.Session, error] {
	return func(yield func(storage.Session, error) bool) {
		names, err := readNames(s.root + "/" + uploadsDir)
		if err != nil && !gone(err) {
			yield(storage.Session{}, fmt.Errorf("list uploads: %w", err))
			return
		}
		for i := range names.len() {
			id, ok := strings.CutSuffix(names.at(i), sessionSuffix)
			if !ok {
				continue
			}
			session, _, err := s.StatUpload(ctx, id)
			if errors.Is(err, storage.ErrNotExist) {
				continue
			}
			if !yield(session, err) || err != nil {
				return
			}
		}
	}
}

// sweepSessions removes data whose label is gone: its writer was killed between two steps.
func (s *Store) sweepSessions(limit time.Time) (removed int, err error) {
	entries, err := os.ReadDir(s.root + "/" + uploadsDir)
	if err := skipGone(err); err != nil {
		return 0, fmt.Errorf("sweep uploads: %w", err)
	}
	for _, entry := range entries {
		id, isData := strings.CutSuffix(entry.Name(), dataSuffix)
		if !isData {
			continue
		}
		info, err := entry.Info()
		if err != nil || info.ModTime().After(limit) {
			continue
		}
		if _, err := statFile(s.session(id) + sessionSuffix); !gone(err) {
			continue
		}
		if err := skipGone(os.Remove(s.session(id) + dataSuffix)); err != nil {
			return removed, fmt.Errorf("sweep uploads: %w", err)
		}
		removed++
	}
	return removed, nil
}

func (s *Store) session(id string) string { return s.root + "/" + uploadsDir + "/" + id }

// upload is a session that this writer holds.
type upload struct {
	s     *Store
	path  string   // of its files, without their suffix
	held  *os.File // the session's file, locked
	label []byte
	state []byte   // nil if what was saved does not fit
	data  *os.File // nil until there is something to append to
	size  int64
	ended bool   // committed or cancelled
	spare string // where the session's file went when it ended
}

func (u *upload) hold(ctx context.Context) error {
	if err := flock(ctx, u.held); err != nil {
		return err
	}
	label, state, _, err := readSession(u.held, u.path+sessionSuffix)
	if err != nil {
		return err
	}
	if st, err := statFile(u.path + dataSuffix); err == nil {
		u.size = st.Size
	}
	u.label, u.state = label, unpackState(state, u.s.boot, u.size)
	return nil
}

func (u *upload) Label() []byte { return u.label }

func (u *upload) Size() int64 { return u.size }

// Append writes at the end of the data. A piece that could be written in part only is cut off
// again, so that the size always says what is there.
func (u *upload) Append(ctx context.Context, r io.Reader) (n int64, err error) {
	if err := errors.Join(ctx.Err(), u.open(), u.s.roomy()); err != nil {
		return 0, err
	}
	piece := u.s.pieces.lend()
	defer piece.giveBack()
	room := int64(roomEvery)
	for {
		buf := piece.bytes()
		got, readErr := r.Read(buf)
		if got > 0 {
			if err := u.write(buf[:got]); err != nil {
				return n, fmt.Errorf("append to upload: %w", failure(err))
			}
			n += int64(got)
		}
		if errors.Is(readErr, io.EOF) {
			return n, nil
		}
		if readErr != nil {
			return n, readErr
		}
		if n >= largePiece {
			piece.grow()
		}
		if n >= room {
			room += roomEvery
			if err := errors.Join(ctx.Err(), u.s.roomy()); err != nil {
				return n, err
			}
		}
	}
}

func (u *upload) write(b []byte) error {
	if _, err := u.data.WriteAt(b, u.size); err != nil {
		return errors.Join(err, u.data.Truncate(u.size))
	}
	u.size += int64(len(b))
	u.state = nil // it was saved beside fewer bytes
	return nil
}

// open opens the data unless it is. After the end of the session the file may be an object, which
// nobody may write to.
func (u *upload) open() (err error) {
	if u.ended || u.held == nil {
		return fmt.Errorf("upload has ended: %w", storage.ErrNotExist)
	}
	if u.data != nil {
		return nil
	}
	u.data, err = os.OpenFile(u.path+dataSuffix, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("open upload data: %w", failure(err))
	}
	return nil
}

func (u *upload) Content(ctx context.Context) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(u.path + dataSuffix)
	if gone(err) {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read upload: %w", err)
	}
	return f, nil
}

// State is what was saved last. What a crash of the machine may have parted from the data, or torn,
// is not given back.
func (u *upload) State() []byte { return u.state }

// SaveState writes the state behind the label.
func (u *upload) SaveState(_ context.Context, state []byte) error {
	if err := u.saveState(state); err != nil {
		return fmt.Errorf("save upload state: %w", failure(err))
	}
	u.state = state
	return nil
}

func (u *upload) saveState(state []byte) error {
	if u.ended || u.held == nil {
		return storage.ErrNotExist
	}
	at := int64(labelHead + len(u.label))
	packed := packState(state, u.s.boot, u.size)
	if _, err := u.held.WriteAt(packed, at); err != nil {
		return err
	}
	return u.held.Truncate(at + int64(len(packed)))
}

// Commit syncs the data, renames it to its key, syncs the folder, and only then removes the
// session: a crash before the rename leaves a session that can go on.
func (u *upload) Commit(ctx context.Context, key string) (storage.Info, error) {
	if err := errors.Join(ctx.Err(), check(key), u.open()); err != nil {
		return storage.Info{}, err
	}
	info, err := u.commit(ctx, key)
	if err != nil {
		return storage.Info{}, fmt.Errorf("commit upload: %w", failure(err))
	}
	// The session has become an object and nothing depends on it any more: if the disk refuses even
	// this, its time ends it.
	_ = u.end()
	return info, nil
}

func (u *upload) commit(ctx context.Context, key string) (storage.Info, error) {
	path := u.s.path(key)
	if err := u.s.ensureDir(filepath.Dir(path)); err != nil {
		return storage.Info{}, err
	}
	// Sync before the rename: under the final name the bytes must be whole, whatever happens.
	if err := u.s.syncFile(u.data); err != nil {
		// The kernel may have dropped what it could not write, and calls the next sync a success. So
		// nobody may go on with these bytes, even if the session itself cannot be ended.
		return storage.Info{}, errors.Join(err, os.Remove(u.path+dataSuffix), u.Cancel(ctx))
	}
	if err := os.Rename(u.path+dataSuffix, path); err != nil {
		return storage.Info{}, err
	}
	u.ended = true // whatever follows: what is open is an object now
	var st unix.Stat_t
	if err := unix.Fstat(int(u.data.Fd()), &st); err != nil {
		return storage.Info{}, err
	}
	return infoOf(&st, storage.Live), u.s.settle(key, idOf(&st))
}

// Finish knows nothing: the session ended when its data became the object.
func (u *upload) Finish(context.Context) (kept bool, err error) { return false, nil }

func (u *upload) Cancel(context.Context) error {
	u.ended = true
	if err := u.end(); err != nil {
		return fmt.Errorf("cancel upload: %w", failure(err))
	}
	if err := skipGone(os.Remove(u.path + dataSuffix)); err != nil {
		return fmt.Errorf("cancel upload: %w", err)
	}
	return nil
}

// end takes the session its name: from then on nobody can open it. What a crash leaves is swept.
func (u *upload) end() error {
	if u.held == nil || u.spare != "" {
		return nil
	}
	path := u.s.root + "/" + tempDir + "/" + randomName()
	err := os.Rename(u.path+sessionSuffix, path)
	if err == nil {
		u.spare = path
	}
	return skipGone(err)
}

// Close lets the next writer in, or the next session have the file.
func (u *upload) Close() error {
	if u.held == nil {
		return nil
	}
	err := u.held.Close() // which gives up the flock
	u.held = nil
	if u.data != nil {
		err = errors.Join(err, u.data.Close())
	}
	if u.spare != "" {
		u.s.spares.give(u.spare)
	}
	return err
}

var _ storage.Upload = (*upload)(nil)
