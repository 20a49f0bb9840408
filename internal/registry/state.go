package registry

import (
	"sync/atomic"

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

// knownSessions is of how many upload sessions this process remembers the namespace.
const knownSessions = 16 << 10

// State is what a process knows of one pair of stores: what it has read, what it has written, which pulls
// are not recorded yet, and whether the stores answered. Registries on the same stores share one, also
// those that live at the same time: each sees at once what another one wrote. It outlives each of them.
type State struct {
	revisions *lru.Cache[revisionID, cached[*Manifest]]
	tags      *lru.Cache[tagID, cached[TagValue]]
	links     *lru.Cache[linkID, cached[link]] // of a service alone
	referrers *lru.Cache[string, cached[Referrers]]
	sessions  *lru.Cache[string, oci.Name] // the namespaces of upload sessions

	writes *writes
	pulls  *pullTracker
	ready  *readiness

	tagEntries atomic.Bool // each tag of the store has an entry
}

// NewState makes the State of a process that has not asked its stores yet.
func NewState() *State {
	return &State{
		revisions: lru.New[revisionID, cached[*Manifest]](manifestBudget),
		tags:      lru.New[tagID, cached[TagValue]](tagBudget),
		links:     lru.New[linkID, cached[link]](linkBudget),
		referrers: lru.New[string, cached[Referrers]](referrerBudget),
		sessions:  lru.New[string, oci.Name](knownSessions),
		writes:    newWrites(),
		pulls:     newPullTracker(),
		ready:     &readiness{},
	}
}
