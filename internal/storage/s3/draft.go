package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// draft is an object that was prepared. It lies under its key as a pending record where no object is there,
// and else beside it.
type draft struct {
	store *objects
	key   string // where it is to be published
	lies  string // the key that it has until then; empty where that is its own
	known record // what had the key last: the pending record, or what kept the draft away from there
	made  record // what is to be published
}

// errTaken says that something else has the key.
var errTaken = errors.New("something else has the key")

// Prepare writes the object under its own key if nothing has that, so that to publish it is one request.
func (s *objects) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	nonce := newNonce()
	if err := s.check(key); err != nil {
		return nil, err
	}
	if len(s.prefix)+len(draftKey(key, nonce)) > maxKey {
		return nil, fmt.Errorf("prepare %q: %w: its draft's key has more than %d bytes", key, storage.ErrKey, maxKey)
	}
	d := &draft{store: s, key: key, made: record{Nonce: nonce, Data: append([]byte(nil), data...)}}
	var err error
	d.known, err = s.change(ctx, key, record{}, func(now record) (record, error) {
		if now.etag != "" && now.State != gone {
			return now, errTaken
		}
		return record{State: pending, Nonce: nonce, Data: d.made.Data}, nil
	})
	if errors.Is(err, errTaken) {
		d.lies = draftKey(key, nonce)
		_, err = s.save(ctx, d.lies, d.made, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", key, err)
	}
	return d, nil
}

// isOf tells whether a record is the draft itself, pending under its own key.
func (d *draft) isOf(now record) bool { return now.State == pending && now.Nonce == d.made.Nonce }

// Publish makes the pending record live, or writes the object over what is known to have the key after a
// look at the draft. Who removes a pending record changes it. Who removes a draft that lies elsewhere marks
// it first and changes the key's record then: either the look finds the mark, or the write its condition
// broken. So it is not published, however late the write comes.
func (d *draft) Publish(ctx context.Context) error {
	saved, err := d.publish(ctx)
	if err != nil {
		return fmt.Errorf("publish %s: %w", d.key, err)
	}
	d.store.remember(saved)
	if d.lies != "" {
		// It is published: a draft that stays is swept some day, and does no harm until then.
		_ = d.store.remove(ctx, d.lies)
	}
	return nil
}

func (d *draft) publish(ctx context.Context) (record, error) {
	if d.known.State == pending && !d.isOf(d.known) { // another's, which has come to an end by now
		var err error
		if d.known, err = d.store.load(ctx, d.key); err != nil {
			return record{}, err
		}
	}
	return d.store.change(ctx, d.key, d.known, func(now record) (record, error) {
		d.find(now)
		if d.isOf(now) {
			return d.made, nil
		}
		if d.lies == "" {
			return now, storage.ErrNotExist
		}
		lies, err := d.store.head(ctx, d.lies)
		if err != nil {
			return now, err
		}
		if !lies.there() || lies.State != live {
			return now, storage.ErrNotExist
		}
		next := d.made
		next.Moved = now.Moved
		if now.State == pending {
			next.Moved, err = d.store.moveDraft(ctx, d.key, now)
		}
		return next, err
	})
}

// find follows a draft that began under its own key to where that key's record says that it was moved.
func (d *draft) find(now record) {
	if d.isOf(d.known) && now.Moved.Nonce == d.made.Nonce {
		d.lies = draftKey(d.key, now.Moved.Name)
	}
}

// moveDraft copies a pending record to where drafts lie beside their keys: another one is about to be
// published over it. The copy has a name of its own, and is no draft until a record under the key
// names it. That record can only be written while the draft is still pending: so what was swept never comes
// back, and what was not is under one of the two keys all the time.
func (s *objects) moveDraft(ctx context.Context, key string, now record) (moved, error) {
	to := moved{Nonce: now.Nonce, Name: newNonce()}
	_, err := s.save(ctx, draftKey(key, to.Name), record{Nonce: now.Nonce, Data: now.Data}, nil)
	return to, err
}

// Discard ends the draft. What is pending under its own key leaves a tombstone, as all do.
func (d *draft) Discard(ctx context.Context) error {
	var err error
	if d.isOf(d.known) {
		_, err = d.store.change(ctx, d.key, d.known, func(now record) (record, error) {
			d.find(now)
			if !d.isOf(now) {
				return now, errKeep
			}
			return now.tombstone(), nil
		})
	}
	if err == nil && d.lies != "" {
		err = d.store.remove(ctx, d.lies)
	}
	if err != nil {
		return fmt.Errorf("discard the draft of %s: %w", d.key, err)
	}
	return nil
}

// Drafts yields also those that somebody is about to remove: their writers may still be publishing. Those
// under their own keys come first: one that is moved meanwhile is found where it was moved to.
func (s *objects) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	dir, err := s.dir(prefix)
	if err != nil {
		return failed[storage.Draft](err)
	}
	isPending := func(i item) bool { return i.state == pending }
	own := found("list drafts", s.each(ctx, dir, isPending, s.load), func(r keyed) (storage.Draft, bool, error) {
		return storage.Draft{Key: r.key, Data: r.Data, At: r.modTime}, r.State == pending, nil
	})
	all := func(item) bool { return true }
	beside := found("list drafts", s.each(ctx, draftsDir+dir, all, s.load), func(r keyed) (storage.Draft, bool, error) {
		key := draftOf(r.key)
		return storage.Draft{Key: key, Data: r.Data, At: r.modTime}, r.there() && strings.HasPrefix(key, dir), nil
	})
	return func(yield func(storage.Draft, error) bool) {
		for _, drafts := range []iter.Seq2[storage.Draft, error]{own, beside} {
			for draft, err := range drafts {
				if !yield(draft, err) || err != nil {
					return
				}
			}
		}
	}
}

// sweepPending ends a draft under its own key, if it is the one that was listed: who would publish it finds
// another record.
func (s *objects) sweepPending(ctx context.Context, i item) (swept bool, err error) {
	_, err = s.save(ctx, i.key, record{State: gone, Nonce: newNonce()}, &record{etag: i.etag})
	if errors.Is(err, errStale) {
		return false, nil
	}
	return err == nil, err
}

// sweepDrafts removes old drafts beside their keys, and says how many.
func (s *objects) sweepDrafts(ctx context.Context, olderThan time.Duration) (int, error) {
	return s.old(ctx, draftsDir, olderThan, func(i item) (bool, error) { return s.sweepDraft(ctx, i) })
}

// sweepDraft marks the draft, breaks the condition of a publisher who looked at it before, and removes it.
// See Publish.
func (s *objects) sweepDraft(ctx context.Context, i item) (swept bool, err error) {
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
