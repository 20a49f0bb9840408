package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/storage"
)

// objects are what has a key of the store's owner: a record, and where that has a data key, bytes.
type objects struct {
	*records
	seen *lru.Cache[storage.Version, string] // the ETags of live records read or written lately
}

// seenVersions bounds what the store remembers of records, in entries. Forgetting costs one request.
const seenVersions = 16384

func newObjects(all *records) *objects {
	return &objects{records: all, seen: lru.New[storage.Version, string](seenVersions)}
}

// Open reads the record, which holds the bytes of a small object and names those of another one.
func (s *objects) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	r, err := s.find(ctx, "open", key, s.load)
	if err != nil {
		return nil, storage.Info{}, err
	}
	if r.DataKey == "" {
		return inMemory{bytes.NewReader(r.Data)}, r.info(), nil
	}
	d, err := parseDataKey(r.DataKey)
	if err != nil {
		return nil, storage.Info{}, fmt.Errorf("open %s: %w", key, err)
	}
	return s.openData(ctx, d), r.info(), nil
}

// Get reads the record: one request, unless the bytes lie elsewhere.
func (s *objects) Get(ctx context.Context, key string) (storage.Value, error) {
	r, err := s.find(ctx, "get", key, s.load)
	if err != nil {
		return storage.Value{}, err
	}
	if r.DataKey != "" {
		if r.Data, err = s.readData(ctx, r.DataKey); err != nil {
			return storage.Value{}, fmt.Errorf("get %s: %w", key, err)
		}
	}
	s.remember(r)
	return storage.Value{Info: r.info(), Data: r.Data, Version: storage.Version(r.Nonce)}, nil
}

// readData reads bytes whole.
func (s *objects) readData(ctx context.Context, key storage.DataKey) ([]byte, error) {
	d, err := parseDataKey(key)
	if err != nil {
		return nil, err
	}
	if d.Size > maxRecord {
		return nil, fmt.Errorf("it has %d bytes, too many to be read whole", d.Size)
	}
	r := s.openData(ctx, d)
	defer r.drop()
	return io.ReadAll(r)
}

func (s *objects) Stat(ctx context.Context, key string) (storage.Info, error) {
	r, err := s.find(ctx, "stat", key, s.head)
	if err != nil {
		return storage.Info{}, err
	}
	return r.info(), nil
}

// find reads the record of an object that is there.
func (s *objects) find(ctx context.Context, what, key string, read func(context.Context, string) (record, error)) (record, error) {
	if err := s.check(key); err != nil {
		return record{}, err
	}
	r, err := read(ctx, key)
	if err == nil && !r.there() {
		err = storage.ErrNotExist
	}
	if err != nil {
		return record{}, fmt.Errorf("%s %s: %w", what, key, err)
	}
	return r, nil
}

// OpenData asks for the bytes at once, so that what is gone shows here.
func (s *objects) OpenData(ctx context.Context, key storage.DataKey) (io.ReadSeekCloser, storage.Info, error) {
	d, err := parseDataKey(key)
	if err != nil {
		return nil, storage.Info{}, fmt.Errorf("open data: %w", err)
	}
	r := s.openData(ctx, d)
	if err := r.start(); err != nil {
		return nil, storage.Info{}, err
	}
	return r, storage.Info{Size: d.Size, ModTime: r.modTime, DataKey: key}, nil
}

// inMemory is an object that was read with its record.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// Put is one request where nothing stands in the way.
func (s *objects) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
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
		saved, err = s.known(ctx, key, opts.IfUnchanged)
		if err != nil {
			break
		}
		saved, err = s.change(ctx, key, saved, func(now record) (record, error) {
			if !now.is(opts.IfUnchanged) {
				return now, storage.ErrChanged
			}
			return next, nil
		})
	default:
		saved, err = s.save(ctx, key, next, nil)
	}
	if err != nil {
		return "", fmt.Errorf("put %s: %w", key, err)
	}
	s.remember(saved)
	return storage.Version(saved.Nonce), nil
}

// Delete leaves a tombstone, so that an object made anew is never taken for the one that went. Where none is made anew it
// leaves nothing: services without conditional deletes would keep the tombstone for ever.
func (s *objects) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if opts.MayReturn && opts.IfUnchanged == "" {
		now, err := s.find(ctx, "delete", key, s.head)
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if now.DataKey == "" {
			return s.remove(ctx, key)
		}
	}
	_, err := s.edit(ctx, "delete", key, opts.IfUnchanged, func(now record) (record, error) {
		switch {
		case opts.IfUnchanged != "" && !now.is(opts.IfUnchanged):
			return now, storage.ErrChanged
		case !now.there():
			return now, errKeep
		}
		return now.tombstone(), nil
	})
	return err
}

// edit changes the record of an object, which is at a version as far as the caller knows; empty if he does not.
// Where the object ends by it, its bytes go afterwards.
func (s *objects) edit(ctx context.Context, what, key string, version storage.Version, edit edit) (record, error) {
	if err := s.check(key); err != nil {
		return record{}, err
	}
	now, err := s.known(ctx, key, version)
	if err == nil {
		now, err = s.change(ctx, key, now, edit)
	}
	if err == nil {
		err = s.finish(ctx, key, now)
	}
	if err != nil {
		return now, fmt.Errorf("%s %s: %w", what, key, err)
	}
	return now, nil
}

// known is a record as far as its version tells it: without a request, if this process has seen it lately,
// else as it lies there.
func (s *objects) known(ctx context.Context, key string, version storage.Version) (record, error) {
	if etag, ok := s.seen.Get(version); ok {
		return record{State: live, Nonce: string(version), etag: etag}, nil
	}
	return s.load(ctx, key)
}

// remember keeps the ETag of a live record for a change of that version. What has a data key does not change.
func (s *objects) remember(r record) {
	if r.there() && r.State == live && r.DataKey == "" {
		s.seen.Put(storage.Version(r.Nonce), r.etag, 1)
	}
}

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
