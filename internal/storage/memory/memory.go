// Package memory keeps the objects of a store in the memory of one process, for as long as that lives.
// It promises what storage.Store promises, except that nothing outlives the process, and a bound: what is
// kept, with its keys and what it costs to find them, stays below the limit that New was given.
// It must never know what its keys mean.
package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/storage"
)

// Options are what a Store is made from.
type Options struct {
	// Limit is how much may be kept; 0 is no limit. What was removed while somebody reads it does not count.
	Limit bytesize.Size
	// Now is the clock of what is written and condemned; nil is the computer's.
	Now func() time.Time
}

// Store is a storage.Store in memory. New makes one. Several users of one Store are to each other what
// several processes on one folder are: nothing is kept for one of them alone.
type Store struct {
	now    func() time.Time
	room   room
	pieces sync.Pool // of *[pieceSize]byte, that bodies are read into

	// mu guards the rest, and all fields of objects, drafts and sessions that change. No content is copied
	// under it.
	mu        sync.RWMutex
	changes   int64 // numbers contents and changes of state
	live      btree.Map[string, *object]
	condemned btree.Map[string, *object]
	drafts    map[*draft]struct{}
	sessions  map[string]*session
	claims    map[string]string // the note of who holds the name
}

// New makes an empty store.
func New(opts Options) *Store {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Store{
		now: opts.Now, room: newRoom(opts.Limit),
		drafts: map[*draft]struct{}{}, sessions: map[string]*session{}, claims: map[string]string{},
	}
}

// Root says where everything lies, and for how long.
func (s *Store) Root() string {
	if s.room.limit == noLimit {
		return "memory"
	}
	return "memory, at most " + bytesize.Size(s.room.limit).String() + ", gone when sreg ends"
}

// Create has nothing to make.
func (s *Store) Create(ctx context.Context) error { return ctx.Err() }

// Features are all that there are within one process.
func (s *Store) Features() storage.Features { return storage.Features{ConditionalWrites: true} }

// Probe looks whether an object would have room.
func (s *Store) Probe(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.room.take(perObject); err != nil {
		return fmt.Errorf("probe store: %w", err)
	}
	s.room.giveBack(perObject)
	return nil
}

// Sweep removes drafts. A session whose writer is gone has its name still.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (removed int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	limit := s.now().Add(-olderThan)
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.drafts {
		if !d.at.After(limit) {
			s.drop(d)
			removed++
		}
	}
	return removed, nil
}

// Claim notes who holds the name.
func (s *Store) Claim(ctx context.Context, name, note string) (held context.Context, release func(), err error) {
	if err := errors.Join(ctx.Err(), storage.CheckKey(name)); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if by, taken := s.claims[name]; taken {
		return nil, nil, &storage.ClaimedError{Name: name, Note: by}
	}
	s.claims[name] = note
	held, cancel := context.WithCancel(ctx)
	return held, sync.OnceFunc(func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.claims, name)
	}), nil
}

// Close leaves everything as it is: others may use the Store, and what nobody uses is garbage.
func (s *Store) Close() error { return nil }

// next numbers a content or a change of state. The caller holds mu.
func (s *Store) next() int64 {
	s.changes++
	return s.changes
}

var _ storage.Store = (*Store)(nil)
