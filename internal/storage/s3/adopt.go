package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/storage"
)

// adoptTries bounds how often adopt begins anew: a service that contradicts itself must not keep it.
const adoptTries = 100

// adopt makes bytes the live object of a key, unless equal ones are it already: then ours is false. It is
// what Commit ends with, and what the end of a session does for a writer that was killed in Commit.
// StillOpen is asked before bytes are named where an object went; nil is yes.
func (s *records) adopt(ctx context.Context, key string, d dataObject, stillOpen func(context.Context) error) (now record, ours bool, err error) {
	want := record{Nonce: newNonce(), DataKey: d.dataKey(), Size: d.Size}
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
			if err := s.overGone(ctx, now, d, stillOpen); err != nil {
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
func (s *records) overGone(ctx context.Context, tombstone record, d dataObject, stillOpen func(context.Context) error) error {
	if stillOpen != nil {
		if err := stillOpen(ctx); err != nil {
			return err
		}
	}
	found := tombstone.DataKey != d.dataKey()
	if found {
		var err error
		if found, err = s.hasData(ctx, d); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%w: its bytes were deleted", storage.ErrNotExist)
	}
	if !tombstone.unfinished() {
		return nil
	}
	return s.removeData(ctx, tombstone.DataKey) // nobody would name it any more
}

// replaced removes the bytes that a record named and the one in its place does not.
func (s *records) replaced(ctx context.Context, before, now record) error {
	if before.DataKey == "" || before.DataKey == now.DataKey || before.State == gone {
		return nil
	}
	return s.removeData(ctx, before.DataKey)
}

// whole tells whether the bytes of a record are there.
func (s *records) whole(ctx context.Context, r record) (bool, error) {
	if r.DataKey == "" {
		return true, nil // they are in the record, and were checked
	}
	d, err := parseDataKey(r.DataKey)
	if err != nil {
		return false, err
	}
	return s.hasData(ctx, d)
}
