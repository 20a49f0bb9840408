package fs

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sreg-project/sreg/internal/storage"
)

// stripeCount is how many keys can change at the same moment.
const stripeCount = 64

// patience bounds the wait for another process's lock. Holders need microseconds, so a wait that
// long means a stopped process, and the caller's client should come back later.
const patience = 10 * time.Second

// stripes lock keys against each other, in this process by a mutex and among processes by flock on
// files that are never removed. A key has one stripe; keys may share one.
type stripes struct {
	dir string
	all [stripeCount]stripe
}

type stripe struct {
	mu   sync.Mutex
	file *os.File // guarded by mu; opened when first needed
}

// lock takes the stripe of a key. What is done under it is one look and one rename.
func (s *stripes) lock(ctx context.Context, key string) (unlock func(), err error) {
	h := fnv.New32a()
	h.Write([]byte(key))
	n := h.Sum32() % stripeCount
	one := &s.all[n]
	one.mu.Lock()
	if one.file == nil {
		// The stripes' names are part of the layout: every process must agree on them.
		path := fmt.Sprintf("%s/%02x", s.dir, n)
		if one.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode); err != nil {
			one.mu.Unlock()
			return nil, fmt.Errorf("open lock: %w", failure(err))
		}
	}
	if err := flock(ctx, one.file); err != nil {
		one.mu.Unlock()
		return nil, err
	}
	return func() {
		// Unlocking a file that is open cannot fail.
		_ = unix.Flock(int(one.file.Fd()), unix.LOCK_UN)
		one.mu.Unlock()
	}, nil
}

func (s *stripes) close() error {
	var errs []error
	for i := range s.all {
		one := &s.all[i]
		one.mu.Lock()
		if one.file != nil {
			errs = append(errs, one.file.Close())
			one.file = nil
		}
		one.mu.Unlock()
	}
	return errors.Join(errs...)
}

// flock locks a file against other processes. It asks again and again rather than block in the
// kernel, so that it can be cancelled.
func flock(ctx context.Context, f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", f.Name(), storage.ErrBusy)
		case <-time.After(wait):
		}
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return nil
		}
	}
}
