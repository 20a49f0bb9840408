package snapshot

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

const (
	// serving is the name that a server claims in its stores.
	serving = "serve"
	// sharing ends the note of a server that shares its stores with others.
	sharing = ", with locks.type redis"
	// leaseWait is how long the claim of a server that died may be held in a service, and a little more.
	leaseWait = 40 * time.Second
	// leaseLook is how often it is looked at meanwhile.
	leaseLook = time.Second
	// keepLook is how often a server that does not hold the claim tries to.
	keepLook = 10 * time.Second
)

// ClaimedError says that another process holds a name in a store.
type ClaimedError struct {
	Root string
	*storage.ClaimedError
}

// Unwrap gives the error of the store.
func (e *ClaimedError) Unwrap() error { return e.ClaimedError }

// Shares tells whether the holder shares its stores with others whose locks are in Redis, too.
func (e *ClaimedError) Shares() bool { return strings.HasSuffix(e.Note, sharing) }

// ServeClaim is how a server claims its stores.
type ServeClaim struct {
	Note string
	// Waiting is called once for each store that another process seems to hold, which may have died: then
	// its claim ends after the time that is given.
	Waiting func(by *ClaimedError, most time.Duration)
}

// ClaimToServe makes this process the one server of its stores, or one of those that share them by the locks
// in Redis: those claim nothing for themselves, and one of them holds the claim for all. Another server that
// may not be there is a *ClaimedError. Release may be called more than once.
//
// It keeps people from a mistake, and is no lock: who lost the claim goes on and says so in the log.
func (c *Core) ClaimToServe(ctx context.Context, claim ServeClaim) (release func(), err error) {
	shared := c.config.Locks.Type == "redis"
	if shared {
		claim.Note += sharing
	}
	var releases []func()
	release = sync.OnceFunc(func() {
		for _, one := range releases {
			one()
		}
	})
	for _, store := range c.stores {
		k := &keeper{core: c, store: store, claim: claim, shared: shared}
		if err := k.take(ctx); err != nil {
			release()
			return nil, err
		}
		releases = append(releases, k.keep(ctx))
	}
	return release, nil
}

// keeper holds the claim to serve one store.
type keeper struct {
	core   *Core
	store  *openStore
	claim  ServeClaim
	shared bool

	held    context.Context // nil while somebody else holds it
	release func()
	told    bool // that a stranger holds it
}

// try takes the claim, if it is free. A server that shares needs no more than that another one holds it who
// shares, too.
func (k *keeper) try(ctx context.Context) error {
	held, release, err := k.store.Claim(ctx, serving, k.claim.Note)
	var claimed *storage.ClaimedError
	if errors.As(err, &claimed) {
		by := &ClaimedError{Root: k.store.Root(), ClaimedError: claimed}
		if k.shared && by.Shares() {
			return nil
		}
		return by
	}
	if err == nil {
		k.held, k.release = held, release
	}
	return err
}

// take tries, and where a claim ends only after its time waits for that of a process that died. The claim does not
// end with ctx: a server that drains serves.
func (k *keeper) take(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	err := k.try(lasting)
	var by *ClaimedError
	if !errors.As(err, &by) || !k.store.Features().Service {
		return err
	}
	k.claim.Waiting(by, leaseWait)
	over := time.After(leaseWait)
	tick := time.NewTicker(leaseLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return err
		case <-tick.C:
		}
		if err = k.try(lasting); !errors.As(err, &by) {
			return err
		}
	}
}

// keep takes the claim again when it is lost, or when the one who held it for all has ended, until the
// function that it returns is called.
func (k *keeper) keep(ctx context.Context) (release func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { // ends with ctx
		for k.lost(ctx) {
			err := k.try(ctx)
			k.tell(ctx, err)
		}
	})
	return func() {
		cancel()
		work.Wait()
		if k.release != nil {
			k.release()
		}
	}
}

// lost waits until there is something to take, and is false at the end.
func (k *keeper) lost(ctx context.Context) bool {
	if k.held != nil {
		select {
		case <-ctx.Done():
			return false
		case <-k.held.Done():
		}
		k.release()
		k.held, k.release = nil, nil
		if ctx.Err() == nil {
			k.core.log.WarnContext(ctx, "the claim to serve the store was lost", "store", k.store.Root())
		}
		return ctx.Err() == nil
	}
	tick := time.NewTimer(keepLook)
	defer tick.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-tick.C:
		return true
	}
}

// tell says once that a server is there that must not be.
func (k *keeper) tell(ctx context.Context, err error) {
	var by *ClaimedError
	if !errors.As(err, &by) {
		k.told = false
		return
	}
	if !k.told {
		k.core.log.ErrorContext(ctx, "another process serves the same store, and their locks do not know each other: set locks.type redis in both",
			"store", k.store.Root(), "other", by.Note)
	}
	k.told = true
}
