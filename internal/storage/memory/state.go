package memory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// Condemn moves a live object to the condemned ones.
func (s *Store) Condemn(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, already := s.condemned.Get(key); already {
		return nil
	}
	o, live := s.live.Delete(key)
	if !live {
		return fmt.Errorf("condemn object: %w", storage.ErrNotExist)
	}
	o.moved, o.since = s.next(), s.now()
	s.condemned.Set(key, o)
	return nil
}

// Revive moves a condemned object to the live ones.
func (s *Store) Revive(ctx context.Context, key string) (storage.Info, error) {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return storage.Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, live := s.live.Get(key); live {
		return o.info(storage.Live), nil
	}
	o, condemned := s.condemned.Delete(key)
	if !condemned {
		return storage.Info{}, fmt.Errorf("revive object: %w", storage.ErrNotExist)
	}
	o.moved, o.since = s.next(), time.Time{}
	s.live.Set(key, o)
	return o.info(storage.Condemned), nil
}

// Destroy removes a condemned object. The version of a condemnation is its number.
func (s *Store) Destroy(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, condemned := s.condemned.Get(key)
	if !condemned {
		return fmt.Errorf("destroy object: %w", storage.ErrNotExist)
	}
	if opts.IfUnchanged != "" && versionOf(o.moved) != opts.IfUnchanged {
		return fmt.Errorf("destroy object: %w", storage.ErrChanged)
	}
	s.remove(key)
	return nil
}

// Condemned walks the condemned objects.
func (s *Store) Condemned(ctx context.Context, prefix string) iter.Seq2[storage.Condemnation, error] {
	return func(yield func(storage.Condemnation, error) bool) {
		top, _ := folder(ctx, prefix)
		s.walk(ctx, &s.condemned, prefix, storage.ListOptions{Deep: true}, func(name string, err error) bool {
			if err != nil {
				return yield(storage.Condemnation{}, err)
			}
			condemnation, still := s.condemnation(top + name)
			return !still || yield(condemnation, nil)
		})
	}
}

func (s *Store) condemnation(key string) (storage.Condemnation, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, condemned := s.condemned.Get(key)
	if !condemned {
		return storage.Condemnation{}, false
	}
	return storage.Condemnation{Key: key, Size: o.size, Since: o.since, Version: versionOf(o.moved)}, true
}
