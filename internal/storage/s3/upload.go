package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

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
