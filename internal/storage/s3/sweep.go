package s3

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// tombstoneAge is how long a tombstone stays at least: longer than any request may be under way that
	// rests on what lay there before.
	tombstoneAge = 24 * time.Hour
	// probeAge is how long a probe is left alone: somebody may be in the middle of it.
	probeAge = time.Hour
	// coarse is how far the times of a service's answers may be apart that are of one moment.
	coarse = 2 * time.Second
)

// Sweep removes old drafts, what is left of uploads, probes and claims, and tombstones that have done their
// service. It goes on after an error, and returns all of them.
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

// old does something with each record below a folder that was written long enough ago, by the service's
// own clock.
func (s *Store) old(ctx context.Context, dir string, age time.Duration, do func(item) error) error {
	var errs []error
	for page, err := range s.pages(ctx, listing{dir: dir, deep: true, first: wholePage}) {
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, i := range page.items {
			if i.age = page.now.Add(coarse).Sub(i.modTime); i.age >= age {
				errs = append(errs, do(i))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *Store) sweepProbes(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	err := s.old(ctx, probeDir, max(olderThan, probeAge), func(i item) error {
		removed++
		return s.remove(ctx, i.key)
	})
	return removed, err
}

// sweepRecords ends what is pending under its own key, and removes the tombstones of objects and of claims.
// Those of uploads are sweepUploads' business.
func (s *Store) sweepRecords(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	var errs []error
	for _, dir := range []string{"", locksDir} {
		err := s.old(ctx, dir, min(olderThan, s.lease.tombstone), func(i item) error {
			swept, err := s.sweepRecord(ctx, i, olderThan)
			if swept {
				removed++
			}
			return err
		})
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func (s *Store) sweepRecord(ctx context.Context, i item, olderThan time.Duration) (swept bool, err error) {
	switch {
	case i.state == pending && i.age >= olderThan:
		return s.sweepPending(ctx, i)
	case i.state == gone && i.age >= max(olderThan, s.lease.tombstone):
		return s.sweepTombstone(ctx, i)
	}
	return false, nil
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
		return false, s.resume(ctx, i.key)
	}
	conditions, err := s.conditions(ctx)
	if err != nil || !conditions.deletes {
		return false, err
	}
	return s.removeIf(ctx, i.key, i.etag)
}

// resume finishes a delete that was cut short.
func (s *Store) resume(ctx context.Context, key string) error {
	r, err := s.load(ctx, key)
	if err != nil {
		return err
	}
	return s.finish(ctx, key, r)
}

// removeIf deletes what lies under a key if its ETag is this one, and says whether it was.
func (s *Store) removeIf(ctx context.Context, key, etag string) (bool, error) {
	_, err := s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key), IfMatch: aws.String(etag),
	})
	if isConflict(err) {
		return false, nil
	}
	if err != nil {
		return false, s.failure("delete", key, err)
	}
	return true, nil
}
