package snapshot

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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
	// leaseRetry is how often a server tries to take it meanwhile.
	leaseRetry = time.Second
	// keepRetry is how often a server that has lost the claim, or shares it, tries to take it.
	keepRetry = 10 * time.Second
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

// ClaimOptions are how a server claims its stores.
type ClaimOptions struct {
	Note string
	// Waiting is called once for each store that another process seems to hold, which may have died: then
	// its claim ends after the time that is given.
	Waiting func(by *ClaimedError, most time.Duration)
	Logger  *slog.Logger
}

// Claims make this process the one server of its stores, or one of those that share them by the locks in Redis:
// those claim nothing for themselves, and one of them holds the claim for all.
//
// They are no locks, only a check for a mistake of the operator: a server that loses its claim goes on, and logs it.
type Claims struct {
	opts ClaimOptions

	mu   sync.Mutex // guards held, and is held while stores are claimed
	held []*storeClaim
}

// NewClaims makes the claims of a process that serves nothing yet.
func NewClaims(opts ClaimOptions) *Claims { return &Claims{opts: opts} }

// Take claims the stores of a Core, and gives up those that were claimed before and are not among them. What is
// claimed already stays so. Another server that may not be there is a *ClaimedError; then all is as before. A store
// that is only read is not claimed: its medium may not permit it.
func (c *Claims) Take(ctx context.Context, core *Core) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := c.wanted(core)
	unwanted := without(c.held, wanted)
	// First: with other settings a store may be one of those that this process holds already.
	for _, one := range unwanted {
		one.giveUp()
	}
	for _, one := range wanted {
		if err := one.take(ctx); err != nil {
			for _, taken := range without(wanted, c.held) {
				taken.giveUp()
			}
			for _, before := range unwanted {
				before.resume(ctx)
			}
			return err
		}
	}
	c.held = wanted
	return nil
}

// wanted are the claims that a Core needs. The caller holds mu.
func (c *Claims) wanted(core *Core) []*storeClaim {
	if core.config.Registry.ReadOnly {
		return nil
	}
	shares := core.config.Locks.Type == "redis"
	var wanted []*storeClaim
	for _, store := range core.stores {
		i := slices.IndexFunc(c.held, func(one *storeClaim) bool { return one.store == store && one.shares == shares })
		if i >= 0 {
			wanted = append(wanted, c.held[i])
			continue
		}
		one := &storeClaim{opts: c.opts, store: store, shares: shares}
		if shares {
			one.opts.Note += sharing
		}
		wanted = append(wanted, one)
	}
	return wanted
}

func without(all, some []*storeClaim) []*storeClaim {
	return slices.DeleteFunc(slices.Clone(all), func(one *storeClaim) bool { return slices.Contains(some, one) })
}

// Release gives all of them up.
func (c *Claims) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.held {
		one.giveUp()
	}
	c.held = nil
}

// storeClaim is the claim to serve one store.
type storeClaim struct {
	opts   ClaimOptions
	store  *openStore
	shares bool // with servers whose locks are in Redis, too

	end func() // ends what keeps the claim; nil while nothing does

	held     context.Context // nil while somebody else holds it
	release  func()
	reported bool // whether report has logged that another server is there
}

// try takes the claim, if it is free. A server that shares needs no more than that another one holds it who
// shares, too.
func (k *storeClaim) try(ctx context.Context) error {
	held, release, err := k.store.Claim(ctx, serving, k.opts.Note)
	var claimed *storage.ClaimedError
	if errors.As(err, &claimed) {
		by := &ClaimedError{Root: k.store.Root(), ClaimedError: claimed}
		if k.shares && by.Shares() {
			return nil
		}
		return by
	}
	if err == nil {
		k.held, k.release = held, release
	}
	return err
}

// take takes the claim and keeps it, unless it is kept already. Where a claim ends only after its time it waits for
// that of a process that died. The claim does not end with ctx: a server that drains serves.
func (k *storeClaim) take(ctx context.Context) error {
	if k.end != nil {
		return nil
	}
	err := k.try(context.WithoutCancel(ctx))
	var by *ClaimedError
	if errors.As(err, &by) && k.store.Features().Service {
		k.opts.Waiting(by, leaseWait)
		err = k.wait(ctx, err)
	}
	if err == nil {
		k.keep(ctx)
	}
	return err
}

// wait tries again until the claim of a process that died must have ended. err is what the last try said.
func (k *storeClaim) wait(ctx context.Context, err error) error {
	over := time.After(leaseWait)
	tick := time.NewTicker(leaseRetry)
	defer tick.Stop()
	for errors.As(err, new(*ClaimedError)) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return err
		case <-tick.C:
		}
		err = k.try(context.WithoutCancel(ctx))
	}
	return err
}

// resume keeps a claim that was given up, and takes it as soon as that is possible.
func (k *storeClaim) resume(ctx context.Context) {
	_ = k.try(context.WithoutCancel(ctx)) // the next try comes soon
	k.keep(ctx)
}

// keep takes the claim again when it is lost, or when the one who held it for all has ended, until giveUp.
func (k *storeClaim) keep(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { // ends with ctx
		for k.lost(ctx) {
			k.report(ctx, k.try(ctx))
		}
	})
	k.end = func() {
		cancel()
		work.Wait()
	}
}

// giveUp ends the claim. It may be called again.
func (k *storeClaim) giveUp() {
	if k.end == nil {
		return
	}
	k.end()
	k.end = nil
	if k.release != nil {
		k.release()
	}
	k.held, k.release = nil, nil
}

// lost waits until there is a claim to take, and is false at the end.
func (k *storeClaim) lost(ctx context.Context) bool {
	if k.held == nil {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(keepRetry):
			return true
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-k.held.Done():
	}
	k.release()
	k.held, k.release = nil, nil
	if ctx.Err() == nil {
		k.opts.Logger.WarnContext(ctx, "the claim to serve the store was lost", "store", k.store.Root())
	}
	return ctx.Err() == nil
}

// report logs once that another server is there that must not be.
func (k *storeClaim) report(ctx context.Context, err error) {
	var by *ClaimedError
	claimed := errors.As(err, &by)
	if claimed && !k.reported {
		k.opts.Logger.ErrorContext(ctx, "another process serves the same store, and their locks do not know each other: set locks.type redis in both",
			"store", k.store.Root(), "other", by.Note)
	}
	k.reported = claimed
}
