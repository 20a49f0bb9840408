package cache

import "context"

// Fallback is a Counter that decides by another one while all instances' counter is out of reach. Both count all
// the time, so that what this process has seen counts at once.
type Fallback struct {
	All  Counter
	Here Counter // knows always
}

// Add is as the contract says.
func (f Fallback) Add(ctx context.Context, key string, n int64, limit Limit) (Count, bool) {
	all, known := f.All.Add(ctx, key, n, limit)
	if known && all.Full {
		return all, true
	}
	here, _ := f.Here.Add(ctx, key, n, limit)
	if known {
		return all, true
	}
	return here, true
}

// Delete is as the contract says.
func (f Fallback) Delete(ctx context.Context, key string) {
	f.All.Delete(ctx, key)
	f.Here.Delete(ctx, key)
}
