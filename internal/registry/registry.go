// Package registry is the core: blobs, uploads, manifests, tags, referrers and listings of OCI
// namespaces, kept in a blob store and a metadata store.
// It promises the storage invariants S1 to S7 of docs/architecture.md: what it acknowledges is
// whole, durable and findable, beside a collector and other instances on the same stores.
// It must not know HTTP, the config file, or who asks: "by" is a text that it only records.
package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/sreg-project/sreg/internal/lock"
	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/storage"
)

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
	// State is what this process knows of these two stores already; nil is one of the Registry's own.
	State *State
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Registry is what clients ask of two stores. Its methods may be called by many goroutines, and any
// number of processes may share the stores.
type Registry struct {
	*core
	filling bool // whether it is that of a Fill
}

// core is what a Registry and its Maintenance have in common.
type core struct {
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

	now   func() time.Time
	state *State
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
	if opts.State == nil {
		opts.State = NewState()
	}
	metadata, blobs := opts.Metadata, opts.Blobs
	if metadata.Features().Service {
		// Also where this Registry answers nothing from memory: another one that shares the State may.
		metadata = &countingWrites{Store: opts.Metadata, writes: opts.State.writes}
		if opts.Blobs == opts.Metadata {
			blobs = metadata
		}
	} else {
		opts.MetadataTTL = 0 // one look shows whether anything has changed
	}
	c := &core{
		blobs: blobs, metadata: metadata, locks: opts.Locks,
		config: opts.Config, rules: rules, now: opts.Now, state: opts.State,
		metadataIsService: metadata.Features().Service, blobsAreService: blobs.Features().Service,
		redirect: opts.Redirect, redirectTTL: opts.RedirectTTL, metadataTTL: opts.MetadataTTL,
	}
	return &Registry{core: c}, c.checkFormat(ctx)
}

// admit is the first line of every method that reads a namespace.
func (r *core) admit(ns oci.Name) error {
	if r.config.UnlistedNamespaces == "deny" && !r.rules.listed(ns) {
		return fmt.Errorf("%w: %s", ErrUnlisted, ns)
	}
	return nil
}

// admitWrite is the first line of every method by which a client or a fill changes a namespace. Clients
// write everywhere but in mirrors, a fill in mirrors alone.
func (r *Registry) admitWrite(ns oci.Name) error {
	if err := r.admitChange(ns); err != nil {
		return err
	}
	mirror := r.rules.mirror(ns)
	if mirror && !r.filling {
		return fmt.Errorf("%w: %s", ErrMirror, ns)
	}
	if !mirror && r.filling {
		return fmt.Errorf("fill %s: it is no mirror", ns)
	}
	return nil
}

// admitChange is the first line of a restore, which may change mirrors, too: it restores what retention has
// removed from them.
func (r *core) admitChange(ns oci.Name) error {
	if r.config.ReadOnly {
		return ErrReadOnly
	}
	return r.admit(ns)
}
