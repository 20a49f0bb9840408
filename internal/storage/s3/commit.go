package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/storage"
)

// Commit leaves the bytes where they are, as one object, and writes a record of the key that names them.
func (u *upload) Commit(ctx context.Context, key string) (storage.Info, error) {
	if err := errors.Join(ctx.Err(), u.s.check(key), u.writable()); err != nil {
		return storage.Info{}, err
	}
	info, err := u.commit(ctx, key)
	if err != nil {
		return storage.Info{}, fmt.Errorf("commit upload: %w", err)
	}
	return info, nil
}

func (u *upload) commit(ctx context.Context, key string) (storage.Info, error) {
	at, err := u.assemble(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	now, ours, err := u.s.adopt(ctx, key, at, u.stillOpen)
	if err != nil {
		return storage.Info{}, err
	}
	u.committed, u.kept = true, ours
	u.end()
	if err := u.tidy(ctx, at, ours); err != nil {
		u.finished = true // the session stays, and its end sees to what is left over
	}
	return now.info(), nil
}

// tidy removes all bytes of the session but those that became the object. Writers that were killed can
// have left some only where the session was ever more than one request.
func (u *upload) tidy(ctx context.Context, at location, ours bool) error {
	if !ours {
		u.session.drop(&at)
	}
	if u.clean(ctx); len(u.session.Litter) > 0 {
		return errors.New("some litter stays")
	}
	if u.session.Multipart == nil && !u.contested {
		return nil
	}
	return u.s.settleBytes(ctx, u.id, u.session, at.Key)
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

// assemble makes one object of the bytes, under a name that nobody else writes to. Unless that is one
// request alone, the session first says what the bytes become: from then on it has no other end.
func (u *upload) assemble(ctx context.Context, key string) (location, error) {
	if err := u.settle(); err != nil {
		return location{}, err
	}
	if m := u.session.Multipart; m != nil && len(m.Parts) == 0 { // none of them arrived
		if err := u.s.abort(ctx, *m); err != nil {
			return location{}, err
		}
		u.session.Multipart = nil
	}
	v := u.session
	switch {
	case v.Key != "" && v.Key != key || u.whole != nil && u.wholeKey != key:
		return location{}, fmt.Errorf("%w: the upload is being completed as another object", storage.ErrBusy)
	case u.whole != nil:
		return *u.whole, nil
	case v.Key != "" && v.Multipart == nil:
		return *v.Tail, nil
	case v.Key != "":
		return u.s.joinParts(ctx, *v.Multipart)
	case v.Multipart != nil || v.Head != nil && (v.Tail != nil || u.buf != nil):
		return u.assembleParts(ctx, key)
	case v.Head != nil:
		return *v.Head, u.decide(ctx, v.clone(), key, v.Head)
	case v.Tail != nil && !u.unsaved:
		return *v.Tail, u.decide(ctx, v.clone(), key, v.Tail)
	}
	return u.assembleWhole(ctx, key)
}

// assembleWhole sends what is all in memory. The object carries the key, so that it can be told from other
// bytes without a word in the session.
func (u *upload) assembleWhole(ctx context.Context, key string) (location, error) {
	var b []byte
	if u.buf != nil {
		b = u.buf.data
	}
	next := u.session.clone()
	at, err := u.put(ctx, &next, b, key)
	if err != nil {
		return location{}, err
	}
	can, err := u.s.conditions(ctx)
	if err != nil {
		return location{}, err
	}
	u.whole, u.wholeKey = &at, key
	if u.contested || next.Tail != nil || !can.writes {
		return at, u.decide(ctx, next, key, &at)
	}
	return at, nil
}

// decide saves what the bytes become. Where they are one object already, that is the tail, and all that
// there is.
func (u *upload) decide(ctx context.Context, next session, key string, at *location) error {
	next.Key = key
	if at != nil {
		if next.Tail != nil && next.Tail.Key != at.Key {
			next.drop(next.Tail)
		}
		next.Tail, next.Head, next.Multipart = at, nil, nil
	}
	next.Multipart.reserve(u.last)
	return u.write(ctx, next)
}

// assembleParts sends the rest as the last part.
func (u *upload) assembleParts(ctx context.Context, key string) (location, error) {
	if u.buf == nil && u.session.Tail != nil {
		if err := u.begin(ctx, 0); err != nil {
			return location{}, err
		}
	}
	if u.buf != nil && len(u.buf.data) > 0 {
		if err := u.send(ctx); err != nil {
			return location{}, err
		}
		if err := u.settle(); err != nil {
			return location{}, err
		}
	}
	if err := u.decide(ctx, u.session.clone(), key, nil); err != nil {
		return location{}, err
	}
	return u.s.joinParts(ctx, *u.session.Multipart)
}

// adoptTries bounds how often adopt begins anew: a service that contradicts itself must not keep it.
const adoptTries = 100

// adopt makes bytes the live object of a key, unless equal ones are it already: then ours is false. It is
// what Commit ends with, and what the end of a session does for a writer that was killed in Commit.
// StillOpen is asked before bytes are named where an object went; nil is yes.
func (s *Store) adopt(ctx context.Context, key string, at location, stillOpen func(context.Context) error) (now record, ours bool, err error) {
	want := record{Nonce: newNonce(), DataKey: at.place(), Size: at.Size}
	next, over := want, record{} // mostly there is nothing
	for range adoptTries {
		now, err := s.save(ctx, key, next, &over)
		if err == nil {
			return now, now.DataKey == want.DataKey, s.replaced(ctx, over, now)
		}
		if !errors.Is(err, errStale) {
			return record{}, false, err
		}
		over, next = now, want
		if !now.there() {
			if err := s.overGone(ctx, now, at, stillOpen); err != nil {
				return record{}, false, err
			}
			continue
		}
		whole, err := s.whole(ctx, now)
		switch {
		case err != nil:
			return record{}, false, err
		case whole && now.State == live:
			return now, now.DataKey == want.DataKey, nil
		case whole:
			next.Nonce, next.DataKey, next.Size, next.Data = now.Nonce, now.DataKey, now.Size, now.Data
		}
	}
	return record{}, false, fmt.Errorf("%w: %s changes all the time", storage.ErrBusy, key)
}

// overGone sees that bytes may be named where an object went: they must not have gone with it.
func (s *Store) overGone(ctx context.Context, tombstone record, at location, stillOpen func(context.Context) error) error {
	if stillOpen != nil {
		if err := stillOpen(ctx); err != nil {
			return err
		}
	}
	found := tombstone.DataKey != at.place()
	if found {
		var err error
		if found, err = s.lies(ctx, at); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: its bytes were deleted", storage.ErrNotExist)
	}
	if !tombstone.unfinished() {
		return nil
	}
	return s.removePlace(ctx, tombstone.DataKey) // nobody would name it any more
}

// replaced removes the bytes that a record named and the one in its place does not.
func (s *Store) replaced(ctx context.Context, before, now record) error {
	if before.DataKey == "" || before.DataKey == now.DataKey || before.State == gone {
		return nil
	}
	return s.removePlace(ctx, before.DataKey)
}

// whole tells whether the bytes of a record are there.
func (s *Store) whole(ctx context.Context, r record) (bool, error) {
	if r.DataKey == "" {
		return true, nil // they are in the record, and were checked
	}
	l, err := parsePlace(r.DataKey)
	if err != nil {
		return false, err
	}
	return s.lies(ctx, l)
}

// lies tells whether the very bytes of a location are there.
func (s *Store) lies(ctx context.Context, l location) (bool, error) {
	there, _, found, err := s.look(ctx, l.Key)
	return found && there == l, err
}
