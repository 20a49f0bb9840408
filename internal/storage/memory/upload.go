package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// patience bounds the wait for another writer of a session.
const patience = 10 * time.Second

// pieceSize is how much of a body is read before it is kept, in bytes.
const pieceSize = 64 << 10

// session is an upload that is under way.
type session struct {
	id    string
	label []byte
	begun time.Time
	cost  int64         // in bytes, without content and state
	turn  chan struct{} // full while somebody writes

	arrived atomic.Int64 // bytes that were read and are not in content yet
	content content
	state   []byte // nil if nothing was saved since the last byte
	ended   bool   // committed or cancelled
}

// CreateUpload begins a session.
func (s *Store) CreateUpload(ctx context.Context, id string, label []byte) error {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return err
	}
	cost := int64(perSession + len(id) + len(label))
	if err := s.room.takeForPush(cost); err != nil {
		return fmt.Errorf("create upload: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.sessions[id]; taken {
		s.room.giveBack(cost)
		return fmt.Errorf("create upload: %w", storage.ErrExists)
	}
	s.sessions[id] = &session{id: id, label: bytes.Clone(label), begun: s.now(), cost: cost, turn: make(chan struct{}, 1)}
	return nil
}

// OpenUpload waits for its turn. When it has come the writer before may have ended the session.
func (s *Store) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	one, err := s.session(ctx, id)
	if err == nil {
		err = one.wait(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u := &upload{session: one, s: s}
	if err := u.usable(); err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

func (s *Store) session(ctx context.Context, id string) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	one, there := s.sessions[id]
	if !there {
		return nil, fmt.Errorf("upload %q: %w", id, storage.ErrNotExist)
	}
	return one, nil
}

func (one *session) wait(ctx context.Context) error {
	select {
	case one.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		return storage.ErrBusy
	}
}

// StatUpload needs no turn.
func (s *Store) StatUpload(ctx context.Context, id string) (storage.Session, []byte, error) {
	one, err := s.session(ctx, id)
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return storage.Session{ID: id, Size: one.content.size + one.arrived.Load(), Begun: one.begun}, bytes.Clone(one.label), nil
}

// ListUploads yields the sessions that there were when it began and that have not ended since.
func (s *Store) ListUploads(ctx context.Context) iter.Seq2[storage.Session, error] {
	return func(yield func(storage.Session, error) bool) {
		for _, id := range s.sessionIDs() {
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

func (s *Store) sessionIDs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]string, 0, len(s.sessions))
	for id := range s.sessions {
		ids = append(ids, id)
	}
	return ids
}

// upload is a session whose turn this writer has.
type upload struct {
	*session
	s      *Store
	closed bool
}

func (u *upload) Label() []byte { return u.label }

func (u *upload) Size() int64 {
	u.s.mu.RLock()
	defer u.s.mu.RUnlock()
	return u.content.size
}

func (u *upload) usable() error {
	u.s.mu.RLock()
	defer u.s.mu.RUnlock()
	if u.ended || u.closed {
		return fmt.Errorf("upload has ended: %w", storage.ErrNotExist)
	}
	return nil
}

// Append keeps the body piece by piece. When the store is full it gives back all that it has taken: the
// client does not wait for room, and others can use it.
func (u *upload) Append(ctx context.Context, r io.Reader) (n int64, err error) {
	if err := errors.Join(ctx.Err(), u.usable()); err != nil {
		return 0, err
	}
	piece, ok := u.s.pieces.Get().(*[pieceSize]byte)
	if !ok {
		piece = new([pieceSize]byte)
	}
	defer u.s.pieces.Put(piece)
	before := u.content
	for {
		got, readErr := u.fill(piece[:], r)
		if err := u.keep(piece[:got]); err != nil {
			u.cutBack(before)
			return 0, fmt.Errorf("append to upload: %w", err)
		}
		n += int64(got)
		if errors.Is(readErr, io.EOF) {
			return n, nil
		}
		if err := errors.Join(readErr, ctx.Err()); err != nil {
			return n, err
		}
	}
}

// fill reads until the piece is full or the reader says why not.
func (u *upload) fill(piece []byte, r io.Reader) (n int, err error) {
	for n < len(piece) && err == nil {
		var got int
		got, err = r.Read(piece[n:])
		n += got
		u.arrived.Store(int64(n))
	}
	return n, err
}

func (u *upload) keep(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if err := u.s.room.takeForPush(chunkCost(len(data))); err != nil {
		u.arrived.Store(0)
		return err
	}
	chunk := bytes.Clone(data)
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.content.add(chunk)
	u.arrived.Store(0)
	u.dropState()
	return nil
}

func (u *upload) cutBack(before content) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.room.giveBack(u.content.cost - before.cost)
	u.content = before
}

// dropState forgets what was saved beside fewer bytes. The caller holds mu.
func (u *upload) dropState() {
	u.s.room.giveBack(int64(len(u.state)))
	u.state = nil
}

func (u *upload) Content(ctx context.Context) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u.s.mu.RLock()
	defer u.s.mu.RUnlock()
	return u.content.reader(), nil
}

// State is what was saved last, if no byte was appended since.
func (u *upload) State() []byte {
	u.s.mu.RLock()
	defer u.s.mu.RUnlock()
	return bytes.Clone(u.state)
}

// SaveState keeps the state until the next byte.
func (u *upload) SaveState(_ context.Context, state []byte) error {
	err := u.usable()
	if err == nil {
		err = u.s.room.take(int64(len(state)))
	}
	if err != nil {
		return fmt.Errorf("save upload state: %w", err)
	}
	state = bytes.Clone(state)
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.dropState()
	u.state = state
	return nil
}

// Commit makes the content an object's, in one step with the end of the session.
func (u *upload) Commit(ctx context.Context, key string) (storage.Info, error) {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key), u.usable()); err != nil {
		return storage.Info{}, err
	}
	if err := u.s.room.take(keyCost(key)); err != nil {
		return storage.Info{}, fmt.Errorf("commit upload: %w", err)
	}
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	o := &object{content: u.content}
	u.content = content{} // what it took is the object's
	u.s.set(key, o)
	u.end()
	return o.info(storage.Live), nil
}

// end takes the session its name and gives back what it took. The caller holds mu.
func (u *upload) end() {
	if u.ended {
		return
	}
	u.ended = true
	delete(u.s.sessions, u.id)
	u.dropState()
	u.s.room.giveBack(u.cost + u.content.cost)
	u.content = content{}
}

// Finish knows nothing: the session ended when its content became the object's.
func (u *upload) Finish(context.Context) (kept bool, err error) { return false, nil }

func (u *upload) Cancel(context.Context) error {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.end()
	return nil
}

func (u *upload) Close() error {
	if !u.closed {
		u.closed = true
		<-u.turn
	}
	return nil
}

var _ storage.Upload = (*upload)(nil)
