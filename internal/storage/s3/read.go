package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/sreg-project/sreg/internal/storage"
)

// Open reads the record, which holds the bytes of a small object, and says where those of another one lie.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	r, err := s.find(ctx, "open", key)
	if err != nil {
		return nil, storage.Info{}, err
	}
	if r.DataKey == "" {
		return inMemory{bytes.NewReader(r.Data)}, r.info(), nil
	}
	f, _, err := s.openPlace(ctx, r.DataKey)
	if err != nil {
		return nil, storage.Info{}, fmt.Errorf("open %s: %w", key, err)
	}
	return f, r.info(), nil
}

// Get reads the record: one request, unless the bytes lie elsewhere.
func (s *Store) Get(ctx context.Context, key string) (storage.Value, error) {
	r, err := s.find(ctx, "get", key)
	if err != nil {
		return storage.Value{}, err
	}
	if r.DataKey != "" {
		if r.Data, err = s.readPlace(ctx, r.DataKey); err != nil {
			return storage.Value{}, fmt.Errorf("get %s: %w", key, err)
		}
	}
	s.remember(r)
	return storage.Value{Info: r.info(), Data: r.Data, Version: storage.Version(r.Nonce)}, nil
}

// Stat reads the head of the record.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	if err := s.check(key); err != nil {
		return storage.Info{}, err
	}
	r, err := s.head(ctx, key)
	if err == nil && !r.there() {
		err = storage.ErrNotExist
	}
	if err != nil {
		return storage.Info{}, fmt.Errorf("stat %s: %w", key, err)
	}
	return r.info(), nil
}

// find reads the record of an object that is there.
func (s *Store) find(ctx context.Context, what, key string) (record, error) {
	if err := s.check(key); err != nil {
		return record{}, err
	}
	r, err := s.load(ctx, key)
	if err == nil && !r.there() {
		err = storage.ErrNotExist
	}
	if err != nil {
		return record{}, fmt.Errorf("%s %s: %w", what, key, err)
	}
	return r, nil
}

// readPlace reads bytes whole that lie elsewhere.
func (s *Store) readPlace(ctx context.Context, place storage.DataKey) ([]byte, error) {
	f, info, err := s.openPlace(ctx, place)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size > maxRecord {
		return nil, fmt.Errorf("it has %d bytes, too many to be read whole", info.Size)
	}
	return io.ReadAll(f)
}

// inMemory is an object that was read with its record.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// known is a record as far as its version tells it: without a request, if this process has seen it lately,
// else as it lies there.
func (s *Store) known(ctx context.Context, key string, version storage.Version) (record, error) {
	if etag, ok := s.seen.Get(version); ok {
		return record{State: live, Nonce: string(version), etag: etag}, nil
	}
	return s.load(ctx, key)
}

// remember keeps the ETag of a live record for a change of that version. What has a place does not change.
func (s *Store) remember(r record) {
	if r.there() && r.State == live && r.DataKey == "" {
		s.seen.Put(storage.Version(r.Nonce), r.etag, 1)
	}
}

// is tells whether the record is live and at a version.
func (r record) is(version storage.Version) bool {
	return r.there() && r.State == live && r.Nonce == string(version)
}
