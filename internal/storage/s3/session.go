package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// session is what the record of an upload says. Its bytes are those of the head, the parts and the tail,
// in this order.
type session struct {
	Label []byte    `json:"label,omitempty"`
	Begun time.Time `json:"begun"`
	Size  int64     `json:"size"` // of all bytes
	// State is the caller's, and fits Size.
	State []byte `json:"state,omitempty"`

	// Pieces counts the objects that were written, so that the next one has a name that is new.
	Pieces int `json:"pieces,omitempty"`
	// Head is one object of what were parts before, because somebody had to read them.
	Head *dataObject `json:"head,omitempty"`
	// Multipart is what further bytes are sent to in parts.
	Multipart *multipart `json:"multipart,omitempty"`
	// Tail is what is not enough for a part yet.
	Tail *dataObject `json:"tail,omitempty"`
	// Unneeded are keys of bytes that nothing needs any more.
	Unneeded []string `json:"litter,omitempty"`

	// Key is what the bytes become, from the moment on that Commit has begun: then the session takes no
	// further bytes, and has them in its parts alone or in its tail alone.
	Key string `json:"key,omitempty"`
}

// clone is a copy that can be changed.
func (v session) clone() session {
	if v.Multipart != nil {
		m := *v.Multipart
		m.Parts = slices.Clip(m.Parts)
		v.Multipart = &m
	}
	v.Unneeded = slices.Clip(v.Unneeded)
	return v
}

// stored is the size of the bytes that the service has.
func (v session) stored() int64 { return v.Head.size() + v.Multipart.size() + v.Tail.size() }

// drop notes that bytes are not needed any more.
func (v *session) drop(d *dataObject) {
	if d != nil {
		v.Unneeded = append(v.Unneeded, d.Key)
	}
}

// final is the key of the bytes that Commit chose.
func (v session) final() string {
	if v.Multipart != nil {
		return v.Multipart.Key
	}
	if v.Tail != nil {
		return v.Tail.Key
	}
	return ""
}

// uploads is what all uploads of a Store share.
type uploads struct {
	*records
	memory *memory
	holds  holds
	// timeout is how long it may take to write what is written although its client has gone.
	timeout time.Duration
	// tombstones is how long the tombstone of a session stays at least.
	tombstones time.Duration
}

// sessionTombstoneAge is longer than a request of a writer that has stalled may take to come in.
const sessionTombstoneAge = time.Hour

func newUploads(all *records, cfg Config) *uploads {
	return &uploads{
		records: all, memory: newMemory(int64(cfg.UploadMemory), int64(cfg.PartSize)),
		timeout: cfg.Timeout, tombstones: sessionTombstoneAge,
	}
}

// loadSession reads the record of a session that is open.
func (s *uploads) loadSession(ctx context.Context, id string) (record, session, error) {
	rec, err := s.load(ctx, uploadsDir+id)
	if err != nil {
		return record{}, session{}, err
	}
	if !rec.there() {
		return record{}, session{}, fmt.Errorf("%w: session %s", storage.ErrNotExist, id)
	}
	v, err := readSession(rec)
	if err != nil {
		return record{}, session{}, fmt.Errorf("session %s: %w", id, err)
	}
	return rec, v, nil
}

func readSession(rec record) (v session, err error) {
	if err := json.Unmarshal(rec.Data, &v); err != nil {
		return v, fmt.Errorf("read what it holds: %w", err)
	}
	return v, nil
}

// saveSession writes a session in place of the record that the caller knows.
func (s *uploads) saveSession(ctx context.Context, id string, v session, state state, over record) (record, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return record{}, fmt.Errorf("session %s: %w", id, err)
	}
	nonce := over.Nonce
	if nonce == "" {
		nonce = newNonce()
	}
	return s.save(ctx, uploadsDir+id, record{State: state, Nonce: nonce, Data: data}, &over)
}

// lost tells a writer why its session could not be saved: errStale is another writer's doing.
func lost(now record, err error) error {
	if !errors.Is(err, errStale) {
		return err
	}
	if !now.there() {
		return fmt.Errorf("%w: %w", storage.ErrNotExist, err)
	}
	return fmt.Errorf("%w: %w", storage.ErrBusy, err)
}

// sessionPatience is how long a writer waits for another one of this process.
const sessionPatience = 2 * time.Second

// holds are the sessions that this process writes to. Writers of other processes are told apart when
// the record of the session is saved.
type holds struct {
	mu   sync.Mutex
	held map[string]*hold // guarded by mu
}

// hold is one session and those who want it.
type hold struct {
	turn    chan struct{} // has room for the one whose turn it is
	wanted  int           // guarded by the mutex of holds
	size    atomic.Int64  // what the holder has appended, saved or not
	holding atomic.Bool   // size is set
	ended   atomic.Bool   // the holder committed or cancelled
}

// take waits for the turn. The caller gives it back by drop.
func (h *holds) take(ctx context.Context, id string) (*hold, error) {
	h.mu.Lock()
	one, ok := h.held[id]
	if !ok {
		if h.held == nil {
			h.held = make(map[string]*hold)
		}
		one = &hold{turn: make(chan struct{}, 1)}
		h.held[id] = one
	}
	one.wanted++
	h.mu.Unlock()

	patience := time.NewTimer(sessionPatience)
	defer patience.Stop()
	var err error
	select {
	case one.turn <- struct{}{}:
		return one, nil
	case <-patience.C:
		err = fmt.Errorf("session %s: %w", id, storage.ErrBusy)
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.leave(id, one)
	return nil, err
}

func (h *holds) drop(id string, one *hold) {
	one.holding.Store(false)
	one.ended.Store(false)
	<-one.turn
	h.leave(id, one)
}

func (h *holds) leave(id string, one *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if one.wanted--; one.wanted == 0 {
		delete(h.held, id)
	}
}

// see says what a writer of this process has made of a session that it did not save yet.
func (h *holds) see(id string) (size int64, held, ended bool) {
	h.mu.Lock()
	one := h.held[id]
	h.mu.Unlock()
	if one == nil || !one.holding.Load() {
		return 0, false, false
	}
	return one.size.Load(), true, one.ended.Load()
}
