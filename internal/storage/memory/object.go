package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// object is what has a key. It is in one of the two maps of a Store, which says its state.
type object struct {
	content
	written time.Time
	version int64     // the number of its content
	moved   int64     // the number of its last change of state
	since   time.Time // when it was condemned
}

// newObject takes the room for an object and copies its bytes.
func (s *Store) newObject(key string, data []byte, take func(int64) error) (*object, error) {
	if err := take(keyCost(key) + chunkCost(len(data))); err != nil {
		return nil, err
	}
	o := &object{}
	o.add(bytes.Clone(data))
	return o, nil
}

// keyCost is what an object takes beside its content.
func keyCost(key string) int64 { return perObject + int64(len(key)) }

func (o *object) info(state storage.State) storage.Info {
	return storage.Info{Size: o.size, ModTime: o.written, State: state, Stamp: storage.Stamp{o.version, o.moved}, Settled: true}
}

func versionOf(number int64) storage.Version { return storage.Version(strconv.FormatInt(number, 10)) }

// find looks for an object in both states.
func (s *Store) find(ctx context.Context, key string) (c content, info storage.Info, version storage.Version, err error) {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return c, info, "", err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	state := storage.Live
	o, found := s.live.Get(key)
	if !found {
		state = storage.Condemned
		o, found = s.condemned.Get(key)
	}
	if !found {
		return c, info, "", storage.ErrNotExist
	}
	return o.content, o.info(state), versionOf(o.version), nil
}

// Open reads what the object is now, to its end.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, storage.Info, error) {
	content, info, _, err := s.find(ctx, key)
	if err != nil {
		return nil, info, fmt.Errorf("open object: %w", err)
	}
	return content.reader(), info, nil
}

// Get copies the bytes: the caller may change them.
func (s *Store) Get(ctx context.Context, key string) (storage.Value, error) {
	content, info, version, err := s.find(ctx, key)
	if err != nil {
		return storage.Value{}, fmt.Errorf("get object: %w", err)
	}
	return storage.Value{Info: info, Data: content.bytes(), Version: version}, nil
}

// Stat looks at the object.
func (s *Store) Stat(ctx context.Context, key string) (storage.Info, error) {
	_, info, _, err := s.find(ctx, key)
	if err != nil {
		return info, fmt.Errorf("stat object: %w", err)
	}
	return info, nil
}

// Put copies the bytes, then looks whether it may put them and does, in one step.
func (s *Store) Put(ctx context.Context, key string, data []byte, opts storage.PutOptions) (storage.Version, error) {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return "", err
	}
	o, err := s.newObject(key, data, s.room.take)
	if err != nil {
		return "", fmt.Errorf("put object: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.allowed(key, opts); err != nil {
		s.room.giveBack(keyCost(key) + o.cost)
		return "", fmt.Errorf("put object: %w", err)
	}
	s.set(key, o)
	return versionOf(o.version), nil
}

// allowed looks whether the condition of a put holds. The caller holds mu.
func (s *Store) allowed(key string, opts storage.PutOptions) error {
	if opts.IfUnchanged != "" {
		return s.unchanged(key, opts.IfUnchanged)
	}
	_, live := s.live.Get(key)
	_, condemned := s.condemned.Get(key)
	if opts.IfAbsent && (live || condemned) {
		return storage.ErrExists
	}
	return nil
}

// unchanged compares the live object. The caller holds mu.
func (s *Store) unchanged(key string, want storage.Version) error {
	if o, live := s.live.Get(key); !live || versionOf(o.version) != want {
		return storage.ErrChanged
	}
	return nil
}

// set makes an object live, instead of whatever has the key. The caller holds mu.
func (s *Store) set(key string, o *object) {
	s.remove(key)
	o.version, o.written = s.next(), s.now()
	s.live.Set(key, o)
}

// remove ends what has the key. The caller holds mu.
func (s *Store) remove(key string) {
	if o, was := s.live.Delete(key); was {
		s.room.giveBack(keyCost(key) + o.cost)
	}
	if o, was := s.condemned.Delete(key); was {
		s.room.giveBack(keyCost(key) + o.cost)
	}
}

// Delete removes the object in whatever state it is.
func (s *Store) Delete(ctx context.Context, key string, opts storage.DeleteOptions) error {
	if err := errors.Join(ctx.Err(), storage.CheckKey(key)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if opts.IfUnchanged != "" {
		if err := s.unchanged(key, opts.IfUnchanged); err != nil {
			return fmt.Errorf("delete object: %w", err)
		}
	}
	s.remove(key)
	return nil
}

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
