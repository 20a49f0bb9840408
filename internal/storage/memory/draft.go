package memory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// draft is an object that is prepared: a storage.Pending.
type draft struct {
	s   *Store
	key string
	o   *object
	at  time.Time
}

// Prepare makes the object that Publish will put.
func (s *Store) Prepare(ctx context.Context, key string, data []byte) (storage.Pending, error) {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return nil, err
	}
	o, err := s.newObject(key, data, s.room.takeForPush)
	if err != nil {
		return nil, fmt.Errorf("prepare object: %w", err)
	}
	d := &draft{s: s, key: key, o: o, at: s.now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drafts[d] = struct{}{}
	return d, nil
}

func (d *draft) Publish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if _, there := d.s.drafts[d]; !there {
		return fmt.Errorf("publish object: %w", storage.ErrNotExist)
	}
	delete(d.s.drafts, d)
	d.s.set(d.key, d.o)
	return nil
}

func (d *draft) Discard(context.Context) error {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if _, there := d.s.drafts[d]; there {
		d.s.drop(d)
	}
	return nil
}

// drop removes a draft. The caller holds mu.
func (s *Store) drop(d *draft) {
	delete(s.drafts, d)
	s.room.giveBack(keyCost(d.key) + d.o.cost)
}

// Drafts yields what was prepared when it began and is not published.
func (s *Store) Drafts(ctx context.Context, prefix string) iter.Seq2[storage.Draft, error] {
	return func(yield func(storage.Draft, error) bool) {
		top, err := folder(ctx, prefix)
		if err != nil {
			yield(storage.Draft{}, err)
			return
		}
		for _, d := range s.draftsBelow(top) {
			if !yield(storage.Draft{Key: d.key, Data: d.o.bytes(), At: d.at}, nil) {
				return
			}
		}
	}
}

func (s *Store) draftsBelow(top string) (all []*draft) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for d := range s.drafts {
		if strings.HasPrefix(d.key, top) {
			all = append(all, d)
		}
	}
	return all
}
