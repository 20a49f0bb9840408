package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sreg-project/sreg/internal/storage"
)

const (
	// readyFor is how long an answer is used again: anybody may ask as often as they like.
	readyFor = time.Second
	// readyTimeout ends a look that several wait for.
	readyTimeout = 5 * time.Second
)

// readiness is what the last look at the stores showed.
type readiness struct {
	looks singleflight.Group

	mu  sync.Mutex // guards the rest
	at  time.Time
	err error
}

// Ready shows that the stores answer a read, and a write unless the registry is read-only. They are
// looked at once a second at most.
func (r *Registry) Ready(ctx context.Context) error {
	if known, err := r.state.ready.last(); known {
		return err
	}
	// All who wait share the look, so it does not end when the first of them goes away. It ends with its time-out.
	look := r.state.ready.looks.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		err := r.look(ctx)
		r.state.ready.keep(err)
		return nil, err
	})
	select {
	case seen := <-look:
		return seen.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *readiness) last() (known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.at.IsZero() && time.Since(r.at) < readyFor, r.err
}

func (r *readiness) keep(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.err = time.Now(), err
}

// look asks the stores.
func (r *Registry) look(ctx context.Context) error {
	if r.config.ReadOnly {
		_, err := r.metadata.Stat(ctx, formatKey)
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := r.metadata.Probe(ctx); err != nil {
		return fmt.Errorf("metadata store: %w", err)
	}
	if r.blobs == r.metadata {
		return nil
	}
	if err := r.blobs.Probe(ctx); err != nil {
		return fmt.Errorf("blob store: %w", err)
	}
	return nil
}
