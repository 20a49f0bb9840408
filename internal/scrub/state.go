package scrub

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/registry"
)

// state is how far a run came, and what it found by then.
type state struct {
	Repair     bool          `json:"repair"`
	Quick      bool          `json:"quick"`
	Repository oci.Name      `json:"repository,omitzero"`
	Part       registry.Part `json:"part"`
	Last       string        `json:"last"`  // all keys up to it are done
	Ahead      []string      `json:"ahead"` // keys after it that are done, too
	Report     Report        `json:"report"`
}

// run is the state while it grows.
type run struct {
	mu     sync.Mutex
	state  state     // guarded by mu
	queue  []*ticket // guarded by mu; what was begun, in the order of the keys, from the first that is not done
	begun  string    // guarded by mu; the last key that was begun
	shown  time.Time // guarded by mu
	saved  time.Time
	window chan struct{}
	ahead  map[string]bool // done by the run that was interrupted
}

// ticket is one object that was begun.
type ticket struct {
	key  string
	done bool
}

// windowSize bounds how many objects are done ahead of one that takes long, such as a large blob.
const windowSize = 1024

func newRun(s state) *run {
	r := &run{state: s, window: make(chan struct{}, windowSize), ahead: map[string]bool{}, saved: time.Now()}
	for _, key := range s.Ahead {
		r.ahead[key] = true
	}
	return r
}

// begin starts a part.
func (r *run) begin(part registry.Part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Part, r.state.Last, r.begun = part, "", ""
	r.ahead = map[string]bool{}
}

// start queues an object, once the window has room for it.
func (r *run) start(ctx context.Context, key string) (*ticket, error) {
	select {
	case r.window <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := &ticket{key: key, done: r.ahead[key]}
	r.mu.Lock()
	r.queue, r.begun = append(r.queue, t), key
	r.mu.Unlock()
	return t, nil
}

// finish notes at once what was found at an object and that it is done.
func (r *run) finish(one item, found result) {
	t := one.ticket
	r.mu.Lock()
	defer r.mu.Unlock()
	if !t.done {
		if !one.recordOnly {
			r.state.Report.Objects[one.Kind]++
		}
		r.state.Report.Bytes += found.bytes
		for _, f := range found.findings {
			r.state.Report.add(f)
		}
	}
	t.done = true
	for len(r.queue) > 0 && r.queue[0].done {
		r.state.Last = r.queue[0].key
		r.queue = r.queue[1:]
		<-r.window
	}
}

// doneAhead are the keys that are done and come after the first one that is not.
func (r *run) doneAhead() []string {
	var keys []string
	for _, t := range r.queue {
		if t.done {
			keys = append(keys, t.key)
		}
	}
	for key := range r.ahead {
		if key > r.begun {
			keys = append(keys, key)
		}
	}
	return keys
}

// load reads where the last run was interrupted, or starts from the beginning.
func (s *scrubber) load(ctx context.Context) (state, error) {
	fresh := state{Repair: s.opts.Repair, Quick: s.opts.Quick, Repository: s.opts.Repository, Report: newReport()}
	if s.opts.Restart {
		return fresh, nil
	}
	data, err := s.reg.VerifyState(ctx)
	if err != nil || data == nil {
		return fresh, err
	}
	var last state
	if json.Unmarshal(data, &last) != nil || !last.fits(fresh) {
		return fresh, nil //nolint:nilerr // without a state that can be read the run starts from the beginning
	}
	last.Report.Resumed = true
	return last, nil
}

// fits tells whether a new run looks for the same as the interrupted one did, and can go on from its state.
func (s state) fits(other state) bool {
	same := s.Repair == other.Repair && s.Quick == other.Quick && s.Repository == other.Repository
	return same && s.Part != "" && s.Report.Objects != nil && s.Report.Counts != nil
}

// save stores how far the run came, unless the registry is read-only.
func (s *scrubber) save(ctx context.Context) error {
	if s.reg.ReadOnly() {
		return nil
	}
	s.run.mu.Lock()
	now := s.run.state
	now.Ahead = s.run.doneAhead()
	data, err := json.Marshal(now)
	s.run.mu.Unlock()
	if err != nil {
		return fmt.Errorf("note how far the verification came: %w", err)
	}
	s.run.saved = time.Now()
	return s.reg.KeepVerifyState(ctx, data)
}

// keepInterrupted saves how far an interrupted run came.
func (s *scrubber) keepInterrupted(ctx context.Context) error {
	if s.run.state.Part == registry.PartCondemned {
		return nil // that part has no order, and starts from its beginning
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.save(ctx)
}

func (s *scrubber) forget(ctx context.Context) error {
	if s.reg.ReadOnly() {
		return nil
	}
	return s.reg.DropVerifyState(ctx)
}
