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

// assemble makes one object of the bytes, under a name that nobody else writes to. Unless that is one
// request alone, the session first says what the bytes become: from then on it has no other end.
func (u *upload) assemble(ctx context.Context, key string) (dataObject, error) {
	if err := u.awaitPart(); err != nil {
		return dataObject{}, err
	}
	if m := u.session.Multipart; m != nil && len(m.Parts) == 0 { // none of them arrived
		if err := u.s.abort(ctx, *m); err != nil {
			return dataObject{}, err
		}
		u.session.Multipart = nil
	}
	v := u.session
	switch {
	case v.Key != "" && v.Key != key || u.whole != nil && u.wholeKey != key:
		return dataObject{}, fmt.Errorf("%w: the upload is being completed as another object", storage.ErrBusy)
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
func (u *upload) assembleWhole(ctx context.Context, key string) (dataObject, error) {
	var b []byte
	if u.buf != nil {
		b = u.buf.data
	}
	next := u.session.clone()
	at, err := u.put(ctx, &next, b, key)
	if err != nil {
		return dataObject{}, err
	}
	can, err := u.s.conditions(ctx)
	if err != nil {
		return dataObject{}, err
	}
	u.whole, u.wholeKey = &at, key
	if u.contested || next.Tail != nil || !can.writes {
		return at, u.decide(ctx, next, key, &at)
	}
	return at, nil
}

// assembleParts sends the rest as the last part.
func (u *upload) assembleParts(ctx context.Context, key string) (dataObject, error) {
	if u.buf == nil && u.session.Tail != nil {
		if err := u.begin(ctx, 0); err != nil {
			return dataObject{}, err
		}
	}
	if u.buf != nil && len(u.buf.data) > 0 {
		if err := u.sendNow(ctx); err != nil {
			return dataObject{}, err
		}
	}
	if err := u.decide(ctx, u.session.clone(), key, nil); err != nil {
		return dataObject{}, err
	}
	return u.s.joinParts(ctx, *u.session.Multipart)
}

// tidy removes all bytes of the session but those that became the object. Writers that were killed can
// have left some only where the session was ever more than one request.
func (u *upload) tidy(ctx context.Context, at dataObject, ours bool) error {
	if !ours {
		u.session.drop(&at)
	}
	if u.clean(ctx); len(u.session.Unneeded) > 0 {
		return errors.New("some bytes that nothing needs stay")
	}
	if u.session.Multipart == nil && !u.contested {
		return nil
	}
	return u.s.settleAllData(ctx, u.id, u.session, at.Key)
}
