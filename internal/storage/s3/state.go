package s3

import (
	"context"
	"fmt"
	"iter"

	"github.com/sreg-project/sreg/internal/storage"
)

// Condemn refuses while the session by which the bytes came is open: its writer is about to name them.
func (s *Store) Condemn(ctx context.Context, key string) error {
	if err := s.check(key); err != nil {
		return err
	}
	_, err := s.update(ctx, key, func(now record) (record, error) {
		switch {
		case !now.there():
			return now, storage.ErrNotExist
		case now.State == condemned:
			return now, errKeep
		}
		if now.DataKey != "" {
			// After the record was read and before it changes: a session that ends in between has named them.
			busy, err := s.inUpload(ctx, now.DataKey)
			if err != nil {
				return now, err
			}
			if busy {
				return now, fmt.Errorf("its upload has not ended: %w", storage.ErrBusy)
			}
		}
		now.State = condemned
		return now, nil
	})
	if err != nil {
		return fmt.Errorf("condemn %s: %w", key, err)
	}
	return nil
}

// Revive is one request where the object is live: what lies in a bucket is durable.
func (s *Store) Revive(ctx context.Context, key string) (storage.Info, error) {
	if err := s.check(key); err != nil {
		return storage.Info{}, err
	}
	r, err := s.update(ctx, key, func(now record) (record, error) {
		switch {
		case !now.there():
			return now, storage.ErrNotExist
		case now.State == live:
			return now, errKeep
		}
		now.State = live
		return now, nil
	})
	if err != nil {
		return storage.Info{}, fmt.Errorf("revive %s: %w", key, err)
	}
	return r.info(), nil
}

// Destroy has its winner when the tombstone is written. The bytes go afterwards.
func (s *Store) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if err := s.check(key); err != nil {
		return err
	}
	r, err := s.update(ctx, key, func(now record) (record, error) {
		switch {
		case !now.there() || now.State != condemned:
			return now, storage.ErrNotExist
		case opts.IfUnchanged != "" && string(opts.IfUnchanged) != now.etag:
			return now, storage.ErrChanged
		}
		return now.tombstone(), nil
	})
	if err == nil {
		err = s.finish(ctx, key, r)
	}
	if err != nil {
		return fmt.Errorf("destroy %s: %w", key, err)
	}
	return nil
}

// Condemned finds them by the length of their records, and reads the heads of those alone.
func (s *Store) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Departed, error] {
	return func(yield func(storage.Departed, error) bool) {
		dir, err := s.dir(prefix)
		if err != nil {
			yield(storage.Departed{}, err)
			return
		}
		isCondemned := func(i item) bool { return i.state == condemned }
		for found, err := range s.records(ctx, dir, isCondemned, s.head) {
			if err != nil {
				yield(storage.Departed{}, fmt.Errorf("list what is condemned: %w", err))
				return
			}
			if !found.there() || found.State != condemned {
				continue // it changed since it was listed
			}
			// The ETag changes with every change of state: it stands for this condemnation.
			departed := storage.Departed{Key: found.key, Size: found.Size, Since: found.modTime, Version: storage.Version(found.etag)}
			if !yield(departed, nil) {
				return
			}
		}
	}
}
