package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
)

const (
	// pullTicks is how many ticks lie between two records of one namespace.
	pullTicks = 60
	// soonTicks is how many ticks the first record of a namespace, or another try, waits at most. By
	// chance it waits less, so that not all namespaces are recorded at once for ever after.
	soonTicks = 5
	// pullLimit is how many pulls and namespaces are kept in memory: some 20 MiB.
	pullLimit = 64 << 10
	// lastRecord is how long the record of what is left may take when everything ends.
	lastRecord = 5 * time.Second
)

// NotePull notes in memory that a client was given a manifest, by tag or by digest. TrackPulls records it later.
func (r *Registry) NotePull(ns oci.Name, ref oci.Reference, d oci.Digest) {
	if r.config.TrackPulls && !r.config.ReadOnly {
		r.state.pulls.note(ns, pull{ref.Tag, d}, r.now().Unix())
	}
}

// TrackPulls records what NotePull noted, each namespace at most once per Config.TrackPullsEvery, until
// ctx ends; then it records what is left. It calls failed with what could not be recorded, and tries again. It records
// what was noted by any Registry that shares the State, also where Config.TrackPulls is off. Of several calls at once
// one works, and the next one continues when that has ended.
func (r *Registry) TrackPulls(ctx context.Context, failed func(error)) {
	t := r.state.pulls
	if r.config.ReadOnly || !t.begin(ctx) {
		return
	}
	defer t.end()
	every := r.config.TrackPullsEvery
	if !r.config.TrackPulls {
		every = max(every, time.Minute) // nobody has said that it is valid
	}
	ticker := time.NewTicker(every / pullTicks)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastRecord)
			defer cancel()
			r.recordAll(last, t.pending(), failed)
			return
		case <-t.full:
			r.recordAll(ctx, t.pending(), failed)
		case <-ticker.C:
			r.recordAll(ctx, t.due(), failed)
		}
	}
}

// recordAll records one namespace after the other: nobody waits for it.
func (r *Registry) recordAll(ctx context.Context, namespaces []oci.Name, failed func(error)) {
	for _, ns := range namespaces {
		noted := r.state.pulls.take(ns)
		err := r.recordPulls(ctx, ns, noted.times)
		if errors.Is(err, context.Canceled) {
			r.state.pulls.giveBack(ns, noted)
			return // the last record comes at once
		}
		if err := r.state.pulls.finish(ns, noted, err); err != nil {
			failed(err)
		}
	}
}

// pullTracker keeps pulls in memory until they are recorded. Its memory is bounded, and it never waits for a store
// while it holds its lock.
//
// Time is counted in ticks. A namespace that is recorded at one tick is recorded again pullTicks later, if it was pulled
// from meanwhile. So it is not recorded more often, and a crash does not lose more than that.
type pullTracker struct {
	limit     int
	full      chan struct{} // has room for one, which is put in when so much is noted that it shall not wait
	recording chan struct{} // has room for one, which is in while somebody records

	mu         sync.Mutex
	namespaces map[oci.Name]*pullNotes // guarded by mu
	count      int                     // guarded by mu; of notes in all namespaces
	tick       int                     // guarded by mu
	failing    bool                    // guarded by mu; it was said that the store takes no records
	forgotten  int                     // guarded by mu; notes that made room for others since then
}

// pullNotes are those of one namespace that are not recorded yet.
type pullNotes struct {
	times map[pull]*int64 // seconds since the epoch
	since int             // the tick of the first of them
	next  int             // the tick at which they may be recorded
}

// pull is what a client asked for and what it got. The tag is zero if it asked by digest.
type pull struct {
	tag    oci.Tag
	digest oci.Digest
}

func newPullTracker() *pullTracker {
	return &pullTracker{
		limit: pullLimit, full: make(chan struct{}, 1), recording: make(chan struct{}, 1),
		namespaces: map[oci.Name]*pullNotes{},
	}
}

// begin makes the caller the only one who records, until end. It waits for whoever is, and is false if ctx
// ends before that: then he records what is left.
func (t *pullTracker) begin(ctx context.Context) bool {
	select {
	case t.recording <- struct{}{}:
		return true
	default:
	}
	select {
	case t.recording <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *pullTracker) end() { <-t.recording }

// note keeps a pull at a time, in seconds since the epoch. It is on the way of each pull: where the same
// was pulled before it costs two look-ups.
func (t *pullTracker) note(ns oci.Name, id pull, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if notes, ok := t.namespaces[ns]; ok {
		if last, ok := notes.times[id]; ok {
			*last = max(*last, at)
			return
		}
	}
	// The parts of a request would hold all of its text.
	t.add(ns.Clone(), pull{id.tag.Clone(), id.digest.Clone()}, at)
	if t.count == t.limit/2 && !t.failing {
		select {
		case t.full <- struct{}{}:
		default: // it is full already
		}
	}
}

// add keeps one more note. The caller holds mu.
func (t *pullTracker) add(ns oci.Name, id pull, at int64) {
	if t.count+len(t.namespaces) >= t.limit {
		t.forget()
	}
	notes := t.namespaces[ns]
	if notes == nil {
		notes = &pullNotes{next: t.soon()}
		t.namespaces[ns] = notes
	}
	if last, ok := notes.times[id]; ok {
		*last = max(*last, at)
		return
	}
	if len(notes.times) == 0 {
		notes.times, notes.since = map[pull]*int64{}, t.tick
	}
	notes.times[id] = &at
	t.count++
}

// soon is one of the next ticks. The caller holds mu.
func (t *pullTracker) soon() int { return t.tick + 1 + rand.IntN(soonTicks) }

// forget makes room, which is short only while the store takes no records: a quarter of it. First go
// namespaces without notes, then those with the oldest ones. The caller holds mu.
func (t *pullTracker) forget() {
	age := func(ns oci.Name) int {
		if notes := t.namespaces[ns]; len(notes.times) > 0 {
			return notes.since
		}
		return -1
	}
	oldestFirst := slices.SortedFunc(maps.Keys(t.namespaces), func(a, b oci.Name) int { return cmp.Compare(age(a), age(b)) })
	for _, ns := range oldestFirst {
		if t.count+len(t.namespaces) <= t.limit/4*3 {
			return
		}
		lost := len(t.namespaces[ns].times)
		t.count -= lost
		t.forgotten += lost
		delete(t.namespaces, ns)
	}
}

// due ends a tick and gives the namespaces that are to be recorded now. Those that nobody pulled from
// since their last record are not kept in memory any longer.
func (t *pullTracker) due() []oci.Name {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick++
	var due []oci.Name
	for ns, notes := range t.namespaces {
		switch {
		case notes.next > t.tick:
		case len(notes.times) == 0:
			delete(t.namespaces, ns)
		default:
			due = append(due, ns)
		}
	}
	return due
}

// pending gives all namespaces that have notes, whether or not it is their time.
func (t *pullTracker) pending() []oci.Name {
	t.mu.Lock()
	defer t.mu.Unlock()
	var pending []oci.Name
	for ns, notes := range t.namespaces {
		if len(notes.times) > 0 {
			pending = append(pending, ns)
		}
	}
	return pending
}

// take hands the notes of a namespace over and begins new ones.
func (t *pullTracker) take(ns oci.Name) pullNotes {
	t.mu.Lock()
	defer t.mu.Unlock()
	notes, ok := t.namespaces[ns]
	if !ok {
		return pullNotes{} // it was forgotten meanwhile
	}
	taken := *notes
	notes.times, notes.next = nil, t.tick+pullTicks
	t.count -= len(taken.times)
	return taken
}

// giveBack keeps notes that could not be recorded, beside those that came meanwhile.
func (t *pullTracker) giveBack(ns oci.Name, taken pullNotes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, at := range taken.times {
		t.add(ns, id, *at)
	}
	if notes, ok := t.namespaces[ns]; ok {
		notes.since = min(notes.since, taken.since)
	}
}

// finish ends a record and returns what an operator should know: that records fail, once until one
// succeeds again, what was lost until then, and each record that is damaged, since no other try helps
// there.
func (t *pullTracker) finish(ns oci.Name, taken pullNotes, err error) error {
	if err != nil {
		t.giveBack(ns, taken)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if errors.Is(err, ErrDamaged) {
		return err
	}
	if err != nil {
		if notes, ok := t.namespaces[ns]; ok {
			notes.next = t.soon()
		}
		known := t.failing
		t.failing = true
		if known {
			return nil
		}
		return err
	}
	forgotten := t.forgotten
	t.failing, t.forgotten = false, 0
	if forgotten > 0 {
		return fmt.Errorf("record pulls: %d were forgotten while the store took no records", forgotten)
	}
	return nil
}
