package memory

// Used is how many bytes count against the limit.
func (s *Store) Used() int64 { return s.room.used.Load() }
