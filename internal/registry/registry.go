// Package registry is the core: blobs, uploads, manifests, tags, referrers and listings of OCI
// namespaces, kept in a blob store and a metadata store.
// It promises the storage invariants S1 to S7 of docs/architecture.md: what it acknowledges is
// whole, durable and findable, beside a collector and other replicas on the same stores.
// It must not know HTTP, the config file, or who asks: "by" is a word that it only writes down.
package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/lru"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

// The budgets of the caches, in bytes. What they hold is validated by one look at the store at each
// use.
const (
	manifestBudget = 32 << 20
	tagBudget      = 8 << 20
	referrerBudget = 16 << 20
)

// knownSessions is of how many upload sessions this process remembers whose they are.
const knownSessions = 16 << 10

// Options are what a Registry is made of. Blobs and Metadata may be one store.
type Options struct {
	Blobs        storage.Store
	Metadata     storage.Store
	Locks        lock.Locker
	Config       Config
	Repositories []RepositoryConfig
	// Redirect says that pulls of blobs may be sent to their store, where no repository says otherwise, and
	// RedirectTTL how long a URL for one opens it.
	Redirect    bool
	RedirectTTL time.Duration
	// MetadataTTL is how long a pull may be answered from memory what was read from a store that does not
	// settle. 0 is never.
	MetadataTTL time.Duration
	// Writes knows what this process has changed. Registries on one store that live in one process, one
	// after the other, share it; nil is one of its own.
	Writes *Writes
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Registry is the core over two stores. Its methods may be called by many goroutines, and any
// number of processes may share the stores.
type Registry struct {
	blobs    storage.Store
	metadata storage.Store
	locks    lock.Locker
	config   Config
	rules    rules

	// Whether each store is a service, see storage.Features.
	metadataIsService, blobsAreService bool

	redirect    bool
	redirectTTL time.Duration
	metadataTTL time.Duration
	writes      *Writes

	now   func() time.Time
	ready *readiness
	pulls *pullTracker // nil if pulls are not tracked

	revisions *lru.Cache[revisionID, cached[*Manifest]]
	tags      *lru.Cache[tagID, cached[tagValue]]
	referrers *lru.Cache[string, cached[Referrers]]
	sessions  *lru.Cache[string, oci.Name] // whose an upload session is
}

// New opens the registry on its stores and writes nothing. It refuses stores of a newer format, and
// a blob store that belongs to another metadata store.
func New(ctx context.Context, opts Options) (*Registry, error) {
	rules, err := newRules(opts.Config, opts.Repositories)
	if err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Writes == nil {
		opts.Writes = NewWrites()
	}
	metadata, blobs := opts.Metadata, opts.Blobs
	if !opts.Metadata.Features().Service {
		opts.MetadataTTL = 0 // one look shows whether anything has changed
	}
	if opts.MetadataTTL > 0 {
		metadata = &noting{Store: opts.Metadata, writes: opts.Writes}
		if opts.Blobs == opts.Metadata {
			blobs = metadata
		}
	}
	r := &Registry{
		blobs: blobs, metadata: metadata, locks: opts.Locks,
		config: opts.Config, rules: rules, now: opts.Now, ready: &readiness{},
		metadataIsService: metadata.Features().Service, blobsAreService: blobs.Features().Service,
		redirect: opts.Redirect, redirectTTL: opts.RedirectTTL, metadataTTL: opts.MetadataTTL, writes: opts.Writes,
		revisions: lru.New[revisionID, cached[*Manifest]](manifestBudget),
		tags:      lru.New[tagID, cached[tagValue]](tagBudget),
		referrers: lru.New[string, cached[Referrers]](referrerBudget),
		sessions:  lru.New[string, oci.Name](knownSessions),
	}
	if opts.Config.TrackPulls && !opts.Config.ReadOnly {
		r.pulls = newPullTracker(opts.Config.TrackPullsEvery, opts.Now)
	}
	return r, r.checkFormat(ctx)
}

// admit is the first line of every method that reads a namespace.
func (r *Registry) admit(ns oci.Name) error {
	if r.config.UnlistedNamespaces == "deny" && !r.rules.listed(ns) {
		return fmt.Errorf("%w: %s", ErrUnlisted, ns)
	}
	return nil
}

// admitWrite is the first line of every method that changes a namespace.
func (r *Registry) admitWrite(ns oci.Name) error {
	if r.config.ReadOnly {
		return ErrReadOnly
	}
	return r.admit(ns)
}
