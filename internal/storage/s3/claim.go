package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sreg-project/sreg/internal/storage"
)

// lease says how long a claim holds that is not renewed.
type lease struct {
	holds   time.Duration
	renewed time.Duration // how often
}

// endPatience is how long the end of a claim may take. What takes longer ends by itself.
const endPatience = 10 * time.Second

// errClaimLost is why the context of a claim ended that somebody else has taken or may have.
var errClaimLost = errors.New("the claim was lost")

// claims are those of one process.
type claims struct {
	*records
	lease  lease
	closed context.Context // ends with the store
	end    context.CancelFunc
	held   sync.WaitGroup
}

func newClaims(all *records) *claims {
	closed, cancel := context.WithCancel(context.Background())
	return &claims{records: all, lease: lease{holds: 30 * time.Second, renewed: 10 * time.Second}, closed: closed, end: cancel}
}

// close ends all claims and waits until others can see it.
func (s *claims) close() {
	s.end()
	s.held.Wait()
}

// Claim writes a lease that is renewed while it is held. Its age is told by the service's own clock.
func (s *claims) Claim(ctx context.Context, name, note string) (held context.Context, release func(), err error) {
	if err := errors.Join(ctx.Err(), s.check(name)); err != nil {
		return nil, nil, err
	}
	key, began := locksDir+name, time.Now()
	mine := record{Nonce: newNonce(), Data: []byte(note)}
	mine, err = s.update(ctx, key, func(now record) (record, error) {
		if now.there() && !s.expired(now) {
			return now, &storage.ClaimedError{Name: name, Note: string(now.Data)}
		}
		return mine, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("claim in %s: %w", s.Root(), err)
	}
	held, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closed, func() { cancel(nil) })
	s.held.Add(1)
	ended := make(chan struct{})
	go func() { // ends with the claim, its context, or the store
		defer s.held.Done()
		defer close(ended)
		defer stop()
		cancel(s.renew(held, key, mine, began))
		s.giveUp(context.WithoutCancel(ctx), key, mine)
	}()
	return held, func() {
		cancel(nil)
		<-ended
	}, nil
}

// expired tells whether nobody can believe any more that he holds the lease.
func (s *claims) expired(r record) bool { return r.read.Sub(r.modTime) > s.lease.holds+coarse }

// renew renews the lease until its context ends, and says why it was lost if it was. It was written at a
// time; from then on it holds.
func (s *claims) renew(ctx context.Context, key string, mine record, written time.Time) error {
	tick := time.NewTicker(s.lease.renewed)
	defer tick.Stop()
	for {
		until := written.Add(s.lease.holds)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(until)):
			return errClaimLost
		case <-tick.C:
		}
		began := time.Now()
		saved, err := s.renewOnce(ctx, key, mine, until)
		switch {
		case err == nil:
			mine, written = saved, began
		case errors.Is(err, errClaimLost):
			return err
		}
		// Else the service did not answer: the lease holds on for a while, and the next tick tries again.
	}
}

func (s *claims) renewOnce(ctx context.Context, key string, mine record, until time.Time) (record, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return s.change(ctx, key, mine, func(now record) (record, error) {
		if !now.there() || now.Nonce != mine.Nonce {
			return now, errClaimLost
		}
		return now, nil
	})
}

// giveUp ends the lease, if it is still ours. Where that does not work it ends by its age.
func (s *claims) giveUp(ctx context.Context, key string, mine record) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	_, _ = s.update(ctx, key, func(now record) (record, error) {
		if !now.there() || now.Nonce != mine.Nonce {
			return now, errKeep
		}
		return now.tombstone(), nil
	})
}

// sweepClaims ends the leases of processes that crashed.
func (s *claims) sweepClaims(ctx context.Context, olderThan time.Duration) (int, error) {
	return s.old(ctx, locksDir, max(olderThan, s.lease.holds+2*coarse), func(i item) (bool, error) {
		if i.state != live {
			return false, nil
		}
		now, err := s.update(ctx, i.key, func(now record) (record, error) {
			if !now.there() || !s.expired(now) {
				return now, errKeep
			}
			return now.tombstone(), nil
		})
		return err == nil && now.etag != "" && now.State == gone, err
	})
}
