package s3

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// draft is an object that was prepared.
type draft struct {
	store *Store
	key   string // where it is to be published
	lies  string // the key that it has until then
	made  record
}

// Prepare writes the object under a key of its own.
func (s *Store) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	nonce := newNonce()
	d := &draft{store: s, key: key, lies: draftsDir + key + "/" + nonce}
	if err := s.check(key); err != nil {
		return nil, err
	}
	if len(s.prefix)+len(d.lies) > maxKey {
		return nil, fmt.Errorf("prepare %q: %w: its draft's key has more than %d bytes", key, storage.ErrKey, maxKey)
	}
	made, err := s.save(ctx, d.lies, record{Nonce: nonce, Data: data}, nil)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", key, err)
	}
	d.made = record{Nonce: made.Nonce, Data: append([]byte(nil), data...)}
	return d, nil
}

// Publish writes the object over what is known to have the key, after a look at the draft. Who removes the
// draft marks it first and changes the key's record then: either the look finds the mark, or the write its
// condition broken, however late it comes.
func (d *draft) Publish(ctx context.Context) error {
	saved, err := d.store.change(ctx, d.key, record{}, func(now record) (record, error) {
		lies, err := d.store.head(ctx, d.lies)
		if err != nil {
			return now, err
		}
		if !lies.there() || lies.State != live {
			return now, storage.ErrNotExist
		}
		return d.made, nil
	})
	if err != nil {
		return fmt.Errorf("publish %s: %w", d.key, err)
	}
	d.store.remember(saved)
	// It is published: a draft that stays is swept some day, and does no harm until then.
	_ = d.store.remove(ctx, d.lies)
	return nil
}

// Discard deletes the draft. Its key is never used again.
func (d *draft) Discard(ctx context.Context) error {
	if err := d.store.remove(ctx, d.lies); err != nil {
		return fmt.Errorf("discard the draft of %s: %w", d.key, err)
	}
	return nil
}

// Drafts yields also those that somebody is about to remove: their writers may still be publishing.
func (s *Store) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	return func(yield func(storage.Draft, error) bool) {
		dir, err := s.dir(prefix)
		if err != nil {
			yield(storage.Draft{}, err)
			return
		}
		all := func(item) bool { return true }
		for r, err := range s.records(ctx, draftsDir+dir, all, s.load) {
			if err != nil {
				yield(storage.Draft{}, fmt.Errorf("list drafts: %w", err))
				return
			}
			key := draftOf(r.key)
			if !r.there() || !strings.HasPrefix(key, dir) {
				continue
			}
			if !yield(storage.Draft{Key: key, Data: r.Data, At: r.modTime}, nil) {
				return
			}
		}
	}
}

// draftOf is the key where a draft is to be published.
func draftOf(lies string) string {
	key := strings.TrimPrefix(lies, draftsDir)
	return key[:max(0, strings.LastIndexByte(key, '/'))]
}

// sweepDrafts removes old drafts, and says how many.
func (s *Store) sweepDrafts(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	err := s.old(ctx, draftsDir, olderThan, func(i item) error {
		swept, err := s.sweepDraft(ctx, i)
		if swept {
			removed++
		}
		return err
	})
	return removed, err
}

// sweepDraft marks the draft, breaks the condition of a publisher who looked at it before, and removes it.
// See Publish.
func (s *Store) sweepDraft(ctx context.Context, i item) (swept bool, err error) {
	marked, err := s.update(ctx, i.key, func(now record) (record, error) {
		if !now.there() || now.State == condemned {
			return now, errKeep
		}
		now.State = condemned
		return now, nil
	})
	if err != nil || !marked.there() {
		return false, err
	}
	_, err = s.update(ctx, draftOf(i.key), func(now record) (record, error) {
		if now.etag == "" {
			return record{State: gone, Nonce: newNonce()}, nil
		}
		return now, nil // the same, at another turn
	})
	if err != nil {
		return false, err
	}
	return true, s.remove(ctx, i.key)
}
