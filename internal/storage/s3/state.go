package s3

import (
	"context"
	"fmt"
	"iter"

	"github.com/sreg-project/sreg/internal/storage"
)

// Condemn refuses while the session by which the bytes came is open: its writer is about to name them.
func (s *objects) Condemn(ctx context.Context, key string) error {
	_, err := s.edit(ctx, "condemn", key, "", func(now record) (record, error) {
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
	return err
}

// inUpload tells whether the session by which bytes came is still open.
func (s *objects) inUpload(ctx context.Context, key storage.DataKey) (bool, error) {
	d, err := parseDataKey(key)
	if err != nil {
		return false, err
	}
	r, err := s.head(ctx, uploadsDir+uploadOf(d.Key))
	return r.there(), err
}

// Revive is one request where the object is live: what lies in a bucket is durable.
func (s *objects) Revive(ctx context.Context, key string) (storage.Info, error) {
	before := live
	r, err := s.edit(ctx, "revive", key, "", func(now record) (record, error) {
		before = now.State
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
		return storage.Info{}, err
	}
	r.State = before
	return r.info(), nil
}

// Destroy has its winner when the tombstone is written. The bytes go afterwards.
func (s *objects) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	_, err := s.edit(ctx, "destroy", key, "", func(now record) (record, error) {
		switch {
		case !now.there() || now.State != condemned:
			return now, storage.ErrNotExist
		case opts.IfUnchanged != "" && string(opts.IfUnchanged) != now.etag:
			return now, storage.ErrChanged
		}
		return now.tombstone(), nil
	})
	return err
}

// Condemned finds them by the length of their records, and reads the heads of those alone.
func (s *objects) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	dir, err := s.dir(prefix)
	if err != nil {
		return failed[storage.Condemnation](err)
	}
	isCondemned := func(i item) bool { return i.state == condemned }
	return found("list what is condemned", s.each(ctx, dir, isCondemned, s.head), func(r keyed) (storage.Condemnation, bool, error) {
		// The ETag changes with every change of state: it stands for this condemnation.
		condemnation := storage.Condemnation{Key: r.key, Size: r.Size, Since: r.modTime, Version: storage.Version(r.etag)}
		return condemnation, r.there() && r.State == condemned, nil // it may have changed since it was listed
	})
}
