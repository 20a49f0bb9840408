package registry

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/oci"
)

// The budgets of the caches, in bytes. Each use of an entry is validated by one look at the store.
const (
	manifestBudget = 32 << 20
	tagBudget      = 8 << 20
	linkBudget     = 8 << 20
	referrerBudget = 16 << 20
)

// What is in memory at once, however many ask for it.
const (
	parsedAtOnce = 16 << 20 // bytes
	freeOfWeight = 64 << 10 // bytes
	keptAtOnce   = 2
)

// knownSessions is of how many upload sessions this process remembers the namespace.
const knownSessions = 16 << 10

// State is what a process knows of one pair of stores: what it has read, what it has written, which pulls
// are not recorded yet, and whether the stores answered. Registries on the same stores share one, also
// those that live at the same time: each sees at once what another one wrote. It outlives each of them.
type State struct {
	revisions *lru.Cache[revisionID, cached[*Manifest]]
	tags      *lru.Cache[tagID, cached[TagValue]]
	links     *lru.Cache[linkID, cached[link]] // of a service alone
	referrers *lru.Cache[string, cached[[]Referrer]]
	sessions  *lru.Cache[string, oci.Name] // the namespaces of upload sessions

	writes *writes
	pulls  *pullTracker
	ready  *readiness

	tagEntries atomic.Bool // each tag of the store has an entry

	parsing *semaphore.Weighted // bytes of large manifests that are parsed for a pull
	keeping *semaphore.Weighted // lists of referrers that are gathered for the cache
}

// NewState makes the State of a process that has not asked its stores yet.
func NewState() *State {
	return &State{
		revisions: lru.New[revisionID, cached[*Manifest]](manifestBudget),
		tags:      lru.New[tagID, cached[TagValue]](tagBudget),
		links:     lru.New[linkID, cached[link]](linkBudget),
		referrers: lru.New[string, cached[[]Referrer]](referrerBudget),
		sessions:  lru.New[string, oci.Name](knownSessions),
		writes:    newWrites(),
		pulls:     newPullTracker(),
		ready:     &readiness{},
		parsing:   semaphore.NewWeighted(parsedAtOnce),
		keeping:   semaphore.NewWeighted(keptAtOnce),
	}
}

// weigh waits until a manifest of a size may be parsed for a pull. A parsed one takes several times its bytes; a small
// one does not wait.
func (s *State) weigh(ctx context.Context, size int64) (done func(), err error) {
	if size <= freeOfWeight {
		return func() {}, nil
	}
	weight := min(size, parsedAtOnce)
	if err := s.parsing.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { s.parsing.Release(weight) }, nil
}
