package s3

import (
	"context"
	"errors"
	"time"
)

// probeAge is how long a probe is left alone: somebody may be in the middle of it.
const probeAge = time.Hour

// Sweep removes old drafts, what is left of uploads, probes and claims, and tombstones that are old enough. It goes on after an error, and returns all of them.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	var errs []error
	for _, sweep := range []func(context.Context, time.Duration) (int, error){
		s.sweepDrafts, s.sweepUploads, s.sweepProbes, s.sweepClaims, s.sweepRecords,
	} {
		n, err := sweep(ctx, olderThan)
		removed += n
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func (s *Store) sweepProbes(ctx context.Context, olderThan time.Duration) (int, error) {
	return s.old(ctx, probeDir, max(olderThan, probeAge), func(i item) (bool, error) {
		return true, s.remove(ctx, i.key)
	})
}

// sweepRecords ends what is pending under its own key, and removes the tombstones of objects and of claims.
// Those of uploads are for sweepUploads.
func (s *Store) sweepRecords(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	var errs []error
	for _, dir := range []string{"", locksDir} {
		n, err := s.old(ctx, dir, min(olderThan, s.tombstones), func(i item) (swept bool, err error) {
			switch {
			case i.state == pending && i.age >= olderThan:
				return s.sweepPending(ctx, i)
			case i.state == gone && i.age >= max(olderThan, s.tombstones):
				return s.sweepTombstone(ctx, i)
			}
			return false, nil
		})
		removed += n
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// bareTombstone is the length of a tombstone that names no bytes.
func bareTombstone() int64 {
	b, err := record{State: gone, Nonce: newNonce(), Turn: newNonce()}.encode()
	if err != nil {
		return 0
	}
	return int64(len(b))
}

// sweepTombstone removes the tombstone if nothing took its place: a service that does not know conditions
// of a delete keeps it. One that names bytes has a delete to finish first.
func (s *Store) sweepTombstone(ctx context.Context, i item) (swept bool, err error) {
	if i.length != bareTombstone() {
		r, err := s.load(ctx, i.key)
		if err == nil {
			err = s.finish(ctx, i.key, r)
		}
		return false, err
	}
	can, err := s.conditions(ctx)
	if err != nil || !can.deletes {
		return false, err
	}
	return s.removeIf(ctx, i.key, i.etag)
}
