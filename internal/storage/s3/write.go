package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/sreg-project/sreg/internal/storage"
)

// errKeep is what an edit answers to leave a record as it is.
var errKeep = errors.New("leave it as it is")

// edit says what becomes of a record, which may be the zero one.
type edit func(now record) (record, error)

// change edits a record by compare-and-set, again and again until nobody was faster. Now is what is thought
// to lie there. It returns what lies there afterwards.
func (s *Store) change(ctx context.Context, key string, now record, edit edit) (record, error) {
	for {
		next, err := edit(now)
		if errors.Is(err, errKeep) {
			return now, nil
		}
		if err != nil {
			return now, err
		}
		if now.unfinished() && next.DataKey != now.DataKey {
			if err := s.removePlace(ctx, now.DataKey); err != nil { // nobody would name it any more
				return now, err
			}
		}
		saved, err := s.save(ctx, key, next, &now)
		if !errors.Is(err, errStale) {
			return saved, err
		}
		now = saved
	}
}

// update reads a record and edits it.
func (s *Store) update(ctx context.Context, key string, edit edit) (record, error) {
	now, err := s.load(ctx, key)
	if err != nil {
		return now, err
	}
	return s.change(ctx, key, now, edit)
}

// Put is one request where nothing stands in the way.
func (s *Store) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	if err := s.check(key); err != nil {
		return "", err
	}
	next := record{Nonce: newNonce(), Data: data}
	var saved record
	var err error
	switch {
	case opts.IfAbsent:
		saved, err = s.change(ctx, key, record{}, func(now record) (record, error) {
			if now.there() {
				return now, storage.ErrExists
			}
			return next, nil
		})
	case opts.IfUnchanged != "":
		saved, err = s.putOver(ctx, key, next, opts.IfUnchanged)
	default:
		saved, err = s.save(ctx, key, next, nil)
	}
	if err != nil {
		return "", fmt.Errorf("put %s: %w", key, err)
	}
	s.remember(saved)
	return storage.Version(saved.Nonce), nil
}

func (s *Store) putOver(ctx context.Context, key string, next record, version storage.Version) (record, error) {
	now, err := s.known(ctx, key, version)
	if err != nil {
		return record{}, err
	}
	return s.change(ctx, key, now, func(now record) (record, error) {
		if !now.is(version) {
			return now, storage.ErrChanged
		}
		return next, nil
	})
}

// Delete leaves a tombstone, so that an object made anew is never taken for the one that went.
func (s *Store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if err := s.check(key); err != nil {
		return err
	}
	now, err := s.known(ctx, key, opts.IfUnchanged)
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	now, err = s.change(ctx, key, now, func(now record) (record, error) {
		switch {
		case opts.IfUnchanged != "" && !now.is(opts.IfUnchanged):
			return now, storage.ErrChanged
		case !now.there():
			return now, errKeep
		}
		return now.tombstone(), nil
	})
	if err == nil {
		err = s.finish(ctx, key, now)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// tombstone is the record after its object's end. It names the bytes until they are removed.
func (r record) tombstone() record {
	return record{State: gone, Nonce: r.Nonce, DataKey: r.DataKey, Size: r.Size}
}

// unfinished tells whether the object ended and its bytes have still to be removed.
func (r record) unfinished() bool { return r.etag != "" && r.State == gone && r.DataKey != "" }

// finish removes the bytes of an object that ended. Where it is cut short, Sweep goes on.
func (s *Store) finish(ctx context.Context, key string, r record) error {
	if !r.unfinished() {
		return nil
	}
	if err := s.removePlace(ctx, r.DataKey); err != nil {
		return err
	}
	_, err := s.save(ctx, key, record{State: gone, Nonce: r.Nonce}, &r)
	if errors.Is(err, errStale) { // somebody made it anew, or finished it
		return nil
	}
	return err
}
