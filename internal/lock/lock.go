// Package lock is the contract of a Locker, which lets one at a time work on a thing: one writer of an upload
// session, one fill of a digest, one scheduled run.
// A Locker promises that a key has one holder at a time while nobody stalls; what must hold beyond
// that rests on the store's order and compare-and-set, never on a lock.
// It must not know what a key stands for.
package lock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrHeld says that others held the key until the caller's context ended.
	ErrHeld = errors.New("lock is held by another")
	// ErrUnavailable says that the server of the locks could not be reached for some seconds: whether the key
	// is free is not known.
	ErrUnavailable = errors.New("locks cannot be reached")
	// ErrLost is the cause by which a held context ends when the lock was lost under it.
	ErrLost = errors.New("lock was lost")
)

// Locker gives out locks by key. Every method may be called by many goroutines.
type Locker interface {
	// Lock waits until the key is the caller's or ctx ends; then the error wraps the context's
	// error, and ErrHeld if the call had to wait. A waiter is served before those that came after
	// it. The context that comes back is a child of ctx: it ends also when the lock is lost and when
	// unlock is called, so the work under the lock runs on it. A lost one ends it with the cause
	// ErrLost, before another can hold the key by the clock of this process. Whoever got a lock calls
	// unlock, which does not wait; more calls of it do nothing. A Locker that has to be reached over a
	// network gives ErrUnavailable after some seconds without. A key costs memory only while somebody holds it or waits.
	Lock(ctx context.Context, key string) (held context.Context, unlock func(), err error)
}

// Config is the locks section of sreg's configuration. The struct tags are the
// single source of the keys' names, values and documentation.
type Config struct {
	Type  string        `mapstructure:"type" config:"restart" enum:"memory,redis" doc:"Where locks are held: memory serves one instance, redis several that share a store."`
	Lease time.Duration `mapstructure:"lease" needs:".type=redis" doc:"redis: how long a lock outlives an instance that died with it. A living one renews its locks three times as often."`
}

// DefaultConfig holds locks in memory.
func DefaultConfig() Config {
	return Config{Type: "memory", Lease: 30 * time.Second}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.Lease < time.Second {
		report("lease", fmt.Sprintf("want at least 1s, got %s", c.Lease))
	}
}
