package s3

import "time"

// SetLease lets claims end sooner that nobody renews.
func (s *Store) SetLease(holds, renewed time.Duration) {
	s.lease.holds, s.lease.renewed = holds, renewed
}

// SetTombstoneAge lets Sweep take the tombstones of objects sooner.
func (s *Store) SetTombstoneAge(age time.Duration) { s.lease.tombstone = age }

// Honours says which conditions the service honours.
func (s *Store) Honours() (writes, deletes bool) {
	return s.service.knows.writes, s.service.knows.deletes
}
