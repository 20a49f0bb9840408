package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// keptFor is how long a session is sure to stand in the way of a collector: a writer that is slower
// than this must look whether its object is still there.
const keptFor = 10 * time.Minute

// firstBuffer is set aside for a body that does not say how long it is.
const firstBuffer = 256 << 10

// CreateUpload writes the session's record.
func (s *Store) CreateUpload(ctx context.Context, id string, label []byte) error {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return err
	}
	_, err := s.saveSession(ctx, id, session{Label: label, Begun: s.now().UTC()}, live, record{})
	if errors.Is(err, errStale) {
		err = fmt.Errorf("%w: session %s", storage.ErrExists, id)
	}
	if err != nil {
		return fmt.Errorf("create upload: %w", err)
	}
	return nil
}

// OpenUpload holds the session against other writers of this process. Those of others show when
// something is saved.
func (s *Store) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return nil, err
	}
	held, err := s.uploads.holds.take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u := &upload{s: s, id: id, base: context.WithoutCancel(ctx), opened: time.Now(), held: held}
	if u.record, u.session, err = s.loadSession(ctx, id); err != nil {
		s.uploads.holds.drop(id, held)
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u.state = u.session.State
	u.inherited = u.session.Multipart != nil
	u.grew(u.session.Size)
	held.holding.Store(true)
	return u, nil
}

// StatUpload reads the session, and looks whether a writer of this process is further.
func (s *Store) StatUpload(ctx context.Context, id string) (storage.Session, []byte, error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return storage.Session{}, nil, err
	}
	rec, v, err := s.loadSession(ctx, id)
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", err)
	}
	session, shown, err := s.describe(id, rec)
	if err == nil && !shown {
		err = fmt.Errorf("%w: session %s", storage.ErrNotExist, id)
	}
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", err)
	}
	return session, v.Label, nil
}

// describe says what a record and the writer of this process make of a session. What has ended is not
// shown.
func (s *Store) describe(id string, rec record) (session storage.Session, shown bool, err error) {
	size, held, ended := s.uploads.holds.see(id)
	if !rec.there() || ended {
		return session, false, nil
	}
	v, err := readSession(rec)
	if err != nil {
		return session, false, fmt.Errorf("session %s: %w", id, err)
	}
	if !held {
		size = v.Size
	}
	return storage.Session{ID: id, Size: size, Begun: v.Begun}, true, nil
}

// ListUploads lists the records of sessions and reads each.
func (s *Store) ListUploads(ctx context.Context) iter.Seq2[storage.Session, error] {
	return func(yield func(storage.Session, error) bool) {
		open := func(i item) bool { return i.state != gone }
		for found, err := range s.records(ctx, uploadsDir, open, s.load) {
			session, shown := storage.Session{}, true
			if err == nil {
				session, shown, err = s.describe(strings.TrimPrefix(found.key, uploadsDir), found.record)
			}
			if err != nil {
				yield(storage.Session{}, fmt.Errorf("list uploads: %w", err))
				return
			}
			if shown && !yield(session, nil) {
				return
			}
		}
	}
}

// upload is a session that this writer holds.
type upload struct {
	s      *Store
	id     string
	base   context.Context // of who opened it, without its end: for what must be written although a client has gone
	opened time.Time
	held   *hold // nil once it is closed

	record  record  // of the session, as this writer read or wrote it last
	session session // what the next record says, but for the bytes in memory
	state   []byte  // the caller's, if it fits

	buf       *buffer // what follows the parts, the tail among it; nil if nothing was appended
	unsaved   bool    // the bytes are not those of the record any more
	sending   *flight // a part on its way; nil if none
	size      int64
	inherited bool      // the parts go to what another writer began
	contested bool      // another writer left bytes of its own
	last      int32     // the number of the last part that was sent, 0 if this writer sent none
	whole     *location // what Commit made of the bytes, should it fail afterwards
	wholeKey  string    // and for which key

	lost      error // why another writer has the session now
	ended     bool  // committed or cancelled
	committed bool
	kept      bool // the object lies where this session put it
	finished  bool
}

func (u *upload) Label() []byte { return u.session.Label }

func (u *upload) Size() int64 { return u.size }

func (u *upload) State() []byte { return u.state }

// grew notes the size, also for those who look from outside.
func (u *upload) grew(size int64) {
	u.size = size
	u.held.size.Store(size)
}

// writable tells whether the session may still change.
func (u *upload) writable() error {
	switch {
	case u.held == nil || u.ended:
		return fmt.Errorf("upload has ended: %w", storage.ErrNotExist)
	case u.lost != nil:
		return u.lost
	}
	return nil
}

// lasting is for what is written although the client may have gone: what arrived stays appended.
func (u *upload) lasting() (context.Context, context.CancelFunc) {
	return context.WithTimeout(u.base, u.s.config.Timeout)
}

// Append reads into memory and sends each full part as soon as there is more. A part that cannot be sent
// takes back what follows the last one that was, so that the size always says what is there.
func (u *upload) Append(ctx context.Context, r io.Reader) (int64, error) {
	if err := errors.Join(ctx.Err(), u.writable()); err != nil {
		return 0, err
	}
	before := u.size
	err := u.fill(ctx, r)
	err = errors.Join(err, u.settle())
	return max(u.size-before, 0), err
}

// fill asks for the first byte before it sets memory aside for what follows: the body that completes an
// upload is often empty.
func (u *upload) fill(ctx context.Context, r io.Reader) error {
	for {
		var first [1]byte
		switch _, err := io.ReadFull(r, first[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if u.session.Key != "" || u.whole != nil {
			return fmt.Errorf("%w: the upload is being completed", storage.ErrBusy)
		}
		if err := errors.Join(ctx.Err(), u.room(ctx, left(r))); err != nil {
			return err
		}
		u.take(first[:])
		if err := u.read(r); err != nil {
			return skipEOF(err)
		}
	}
}

// left is how much a reader says that it has; negative if it does not.
func left(r io.Reader) int64 {
	if sized, ok := r.(storage.Sized); ok {
		return sized.Remaining()
	}
	return -1
}

func skipEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (u *upload) take(b []byte) {
	u.buf.data = append(u.buf.data, b...)
	u.took(len(b))
}

func (u *upload) took(n int) {
	u.unsaved, u.state = true, nil
	u.grew(u.size + int64(n))
}

// read fills the buffer. The error is that of the reader; a full buffer is none.
func (u *upload) read(r io.Reader) error {
	for len(u.buf.data) < cap(u.buf.data) {
		length := len(u.buf.data)
		n, err := r.Read(u.buf.data[length:cap(u.buf.data)])
		u.buf.data = u.buf.data[:length+n]
		if n > 0 {
			u.took(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// room makes room for one byte at least, and for the rest of a body if it is known and fits.
func (u *upload) room(ctx context.Context, left int64) error {
	part := int64(u.s.uploads.memory.part())
	if u.buf == nil {
		if err := u.begin(ctx, left); err != nil {
			return err
		}
	}
	length := int64(len(u.buf.data)) // not 0 behind begin, either, and a part if part_size was made smaller
	switch {
	case length < int64(cap(u.buf.data)) && left <= int64(cap(u.buf.data))-length-1:
		return nil
	case length >= part:
		return u.nextPart(ctx, left)
	case int64(cap(u.buf.data)) == part:
		return nil
	}
	want := 4 * int64(cap(u.buf.data))
	if left >= 0 {
		want = max(length+1+left, int64(cap(u.buf.data))+1)
	}
	return u.grow(ctx, min(want, part))
}

// begin waits for the first buffer, and reads the tail into it.
func (u *upload) begin(ctx context.Context, left int64) error {
	want := u.session.Tail.size() + firstBuffer
	if left >= 0 {
		want = u.session.Tail.size() + 1 + left
	}
	buf, err := u.s.uploads.memory.getFor(ctx, u.session.Tail.size(), want)
	if err != nil {
		return err
	}
	if u.buf, err = buf, u.loadTail(ctx, buf); err != nil {
		u.s.uploads.memory.give(u.buf)
		u.buf = nil
	}
	return err
}

func (u *upload) loadTail(ctx context.Context, buf *buffer) error {
	if u.session.Tail == nil {
		return nil
	}
	r := u.s.openBytes(ctx, *u.session.Tail)
	buf.data = buf.data[:u.session.Tail.Size]
	_, err := io.ReadFull(r, buf.data)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read the tail of session %s: %w", u.id, err)
	}
	return nil
}

// grow takes a larger buffer. Where there is no memory for it the bytes are written away before the
// wait, because nobody may wait while holding some.
func (u *upload) grow(ctx context.Context, want int64) error {
	if bigger := u.s.uploads.memory.tryGet(want); bigger != nil {
		bigger.data = append(bigger.data, u.buf.data...)
		u.s.uploads.memory.give(u.buf)
		u.buf = bigger
		return nil
	}
	if err := u.save(ctx); err != nil {
		return err
	}
	u.forget()
	return u.begin(ctx, int64(u.s.uploads.memory.part()))
}

// forget gives the memory back. What was not saved is not appended any more.
func (u *upload) forget() {
	u.s.uploads.memory.give(u.buf)
	u.buf = nil
	u.shrink()
}

// shrink takes the size to be what the service has.
func (u *upload) shrink() {
	u.grew(u.session.stored())
	if u.unsaved = u.size != u.session.Size; !u.unsaved {
		u.state = u.session.State
	}
}

// SaveState saves the bytes and the state by one change. It does so also when the client has gone.
func (u *upload) SaveState(_ context.Context, state []byte) error {
	if err := u.writable(); err != nil {
		return fmt.Errorf("save upload state: %w", err)
	}
	ctx, cancel := u.lasting()
	defer cancel()
	u.state = state
	if err := u.save(ctx); err != nil {
		return fmt.Errorf("save upload state: %w", err)
	}
	return nil
}

// save writes what is in memory as the tail, and then the record. A record never names bytes that
// are not there. Bytes that are a part are sent as one, so that what the next writer reads is less.
//
// A client that sends an upload in many small requests has each of them write the tail anew: some bytes
// are written again and again, but less than a part with each request.
func (u *upload) save(ctx context.Context) error {
	if err := u.settle(); err != nil {
		return err
	}
	if u.whole != nil {
		return u.decide(ctx, u.session.clone(), u.wholeKey, u.whole)
	}
	if u.unsaved && u.buf.isPart(u.s.uploads.memory.part()) {
		if err := u.send(ctx); err != nil {
			return err
		}
		if err := u.settle(); err != nil {
			return err
		}
	}
	next := u.session.clone()
	if u.buf != nil && u.unsaved && len(u.buf.data) > 0 {
		tail, err := u.put(ctx, &next, u.buf.data, "")
		if err != nil {
			return err
		}
		next.drop(next.Tail)
		next.Tail = &tail
	}
	next.Multipart.reserve(u.last)
	return u.write(ctx, next)
}

// write changes the record of the session, and then removes what the new one does not need.
func (u *upload) write(ctx context.Context, next session) error {
	next.Size, next.State = next.stored(), nil
	if next.Size == u.size {
		next.State = u.state
	}
	now, err := u.s.saveSession(ctx, u.id, next, live, u.record)
	if err != nil {
		if err = lost(now, err); errors.Is(err, storage.ErrBusy) || errors.Is(err, storage.ErrNotExist) {
			u.lost = err
		}
		return err
	}
	u.record, u.session = now, next
	u.unsaved = u.session.Size != u.size
	u.inherited = u.session.Multipart != nil // from now on others know of it
	u.clean(ctx)
	return nil
}

// clean removes the litter that the record names. What cannot be removed stays named.
func (u *upload) clean(ctx context.Context) {
	for len(u.session.Litter) > 0 {
		last := len(u.session.Litter) - 1
		if err := u.s.remove(ctx, u.session.Litter[last]); err != nil {
			return
		}
		u.session.Litter = u.session.Litter[:last]
	}
}

// Finish removes the session, if it is still the one that this writer left.
func (u *upload) Finish(ctx context.Context) (kept bool, err error) {
	if !u.committed || u.finished {
		return false, nil
	}
	u.finished = true
	ours, err := u.s.endSession(ctx, u.id, u.record)
	if err != nil {
		return false, fmt.Errorf("finish upload: %w", err)
	}
	return ours && u.kept && time.Since(u.opened) < keptFor, nil
}

// Cancel makes the session a tombstone, so that a writer that has stalled cannot go on, and then removes
// its bytes. Bytes that may have become an object, because Commit had begun, stay for the collector.
func (u *upload) Cancel(ctx context.Context) error {
	if u.ended {
		return nil
	}
	if u.held == nil {
		return fmt.Errorf("cancel upload: it is closed: %w", storage.ErrNotExist)
	}
	_ = u.settle() // its bytes go
	now, err := u.s.saveSession(ctx, u.id, u.session, gone, u.record)
	if errors.Is(err, errStale) && !now.there() {
		err = nil // somebody else ended it, and may not have come to its bytes
	}
	if err != nil {
		return fmt.Errorf("cancel upload: %w", lost(now, err))
	}
	u.end()
	if err := u.s.settle(ctx, u.id, u.session); err != nil {
		return fmt.Errorf("cancel upload: %w", err)
	}
	return nil
}

func (u *upload) end() {
	u.s.uploads.memory.give(u.buf)
	u.buf, u.ended = nil, true
	u.held.ended.Store(true)
}

// Close saves what was appended, or ends the session that was committed, also when the client has gone.
func (u *upload) Close() error {
	if u.held == nil {
		return nil
	}
	ctx, cancel := u.lasting()
	defer cancel()
	var err error
	switch {
	case u.committed:
		_, err = u.Finish(ctx)
	case u.unsaved && !u.ended && u.lost == nil:
		err = u.save(ctx)
	}
	u.s.uploads.memory.give(u.buf)
	u.buf = nil
	u.s.uploads.holds.drop(u.id, u.held)
	u.held = nil
	if err != nil {
		return fmt.Errorf("close upload: %w", err)
	}
	return nil
}

var _ storage.Upload = (*upload)(nil)
