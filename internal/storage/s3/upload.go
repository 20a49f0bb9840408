package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

func (s *uploads) CreateUpload(ctx context.Context, id string, label []byte) error {
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
func (s *uploads) OpenUpload(ctx context.Context, id string) (storage.Upload, error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return nil, err
	}
	held, err := s.holds.take(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u := &upload{s: s, id: id, base: context.WithoutCancel(ctx), opened: time.Now(), held: held}
	if u.record, u.session, err = s.loadSession(ctx, id); err != nil {
		s.holds.drop(id, held)
		return nil, fmt.Errorf("open upload: %w", err)
	}
	u.state = u.session.State
	u.inherited = u.session.Multipart != nil
	u.grew(u.session.Size)
	held.holding.Store(true)
	return u, nil
}

// StatUpload reads the session, and looks whether a writer of this process is further.
func (s *uploads) StatUpload(ctx context.Context, id string) (session storage.Session, label []byte, err error) {
	if err := errors.Join(ctx.Err(), storage.CheckUploadID(id)); err != nil {
		return session, nil, err
	}
	rec, err := s.load(ctx, uploadsDir+id)
	shown := false
	if err == nil {
		session, label, shown, err = s.describe(id, rec)
	}
	if err == nil && !shown {
		err = fmt.Errorf("%w: session %s", storage.ErrNotExist, id)
	}
	if err != nil {
		return storage.Session{}, nil, fmt.Errorf("stat upload: %w", err)
	}
	return session, label, nil
}

// describe says what a record and the writer of this process make of a session. What has ended is not
// shown.
func (s *uploads) describe(id string, rec record) (session storage.Session, label []byte, shown bool, err error) {
	size, held, ended := s.holds.see(id)
	if !rec.there() || ended {
		return session, nil, false, nil
	}
	v, err := readSession(rec)
	if err != nil {
		return session, nil, false, fmt.Errorf("session %s: %w", id, err)
	}
	if !held {
		size = v.Size
	}
	return storage.Session{ID: id, Size: size, Begun: v.Begun}, v.Label, true, nil
}

func (s *uploads) ListUploads(ctx context.Context) iter.Seq2[storage.Session, error] {
	open := func(i item) bool { return i.state != gone }
	return found("list uploads", s.each(ctx, uploadsDir, open, s.load), func(r keyed) (storage.Session, bool, error) {
		session, _, shown, err := s.describe(strings.TrimPrefix(r.key, uploadsDir), r.record)
		return session, shown, err
	})
}

// upload is a session that this writer holds.
type upload struct {
	s      *uploads
	id     string
	base   context.Context // of who opened it, without its end: for what must be written although a client has gone
	opened time.Time
	held   *hold // nil once it is closed

	record  record  // of the session, as this writer read or wrote it last
	session session // what the next record says, but for the bytes in memory
	state   []byte  // the caller's, if it fits

	buf       *buffer   // what follows the parts, the tail among it; nil if nothing was appended
	unsaved   bool      // the bytes are not those of the record any more
	sending   *sentPart // nil if none is on its way
	size      int64
	inherited bool        // the parts go to what another writer began
	contested bool        // another writer left bytes of its own
	last      int32       // the number of the last part that was sent, 0 if this writer sent none
	whole     *dataObject // what Commit made of the bytes, should it fail afterwards
	wholeKey  string      // and for which key

	lost      error // why another writer has the session now
	ended     bool  // committed or cancelled
	committed bool
	kept      bool // the object lies where this session put it
	finished  bool
}

// sentPart is a part on its way.
type sentPart struct {
	done chan struct{} // closed at the end
	part part          // valid after done, without err
	err  error         // valid after done
}

func (u *upload) Label() []byte { return u.session.Label }

func (u *upload) Size() int64 { return u.size }

func (u *upload) State() []byte { return u.state }

var _ storage.Upload = (*upload)(nil)

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
	return context.WithTimeout(u.base, u.s.timeout)
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

// clean removes the bytes that are not needed any more. What cannot be removed stays noted.
func (u *upload) clean(ctx context.Context) {
	for len(u.session.Unneeded) > 0 {
		last := len(u.session.Unneeded) - 1
		if err := u.s.remove(ctx, u.session.Unneeded[last]); err != nil {
			return
		}
		u.session.Unneeded = u.session.Unneeded[:last]
	}
}

// stillOpen looks whether the session is still the one that this writer knows.
func (u *upload) stillOpen(ctx context.Context) error {
	now, err := u.s.load(ctx, uploadsDir+u.id)
	if err == nil && now.etag != u.record.etag {
		u.lost = lost(now, fmt.Errorf("session %s: %w", u.id, errStale))
		err = u.lost
	}
	return err
}

func (u *upload) end() {
	u.s.memory.give(u.buf)
	u.buf, u.ended = nil, true
	u.held.ended.Store(true)
}

// forget gives the memory back. What was not saved is not appended any more.
func (u *upload) forget() {
	u.s.memory.give(u.buf)
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

// keptFor is how long a session is sure to keep its object from being condemned: a writer that is slower
// than this must look whether its object is still there.
const keptFor = 10 * time.Minute

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
	_ = u.awaitPart() // its bytes go
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
	u.s.memory.give(u.buf)
	u.buf = nil
	u.s.holds.drop(u.id, u.held)
	u.held = nil
	if err != nil {
		return fmt.Errorf("close upload: %w", err)
	}
	return nil
}
