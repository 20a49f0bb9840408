package s3

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// The sizes of buffers: the smallest one, and each further one twice as large. The end of a body that is
// known to have so many bytes is seen with the spare ones.
const (
	smallestBuffer = 64 << 10
	spareBytes     = 4 << 10
)

// memory bounds what all uploads of a Store hold at once. A buffer is reserved before it is made.
//
// Nobody waits for a buffer while holding another one, so that no two uploads can wait for each other.
//
// Buffers are pages of their own, not of Go's heap: hundreds of megabytes of them would let the garbage of
// requests grow to as much again before it is collected, and what a buffer was not filled with costs nothing.
type memory struct {
	limit *semaphore.Weighted
	most  int64 // the limit, in bytes
	sizes []int // of buffers, in bytes; the last one is a part

	mu    sync.Mutex  // guards the rest
	free  [][]*buffer // by class; the one that was used last is the last
	used  int64       // bytes that somebody holds
	spare int64       // bytes of free buffers that have pages
}

// buffer is memory that was reserved: its capacity never changes.
type buffer struct {
	data     []byte
	class    int   // which free ones it goes back to; none if it is negative
	reserved int64 // in bytes
	paged    bool  // it has been used since its pages were given back
}

func newMemory(limit, part int64) *memory {
	most := max(limit, 2*part)
	m := &memory{limit: semaphore.NewWeighted(most), most: most}
	for size := int64(smallestBuffer); size+spareBytes < part; size *= 2 {
		m.sizes = append(m.sizes, int(size+spareBytes))
	}
	m.sizes = append(m.sizes, int(part))
	m.free = make([][]*buffer, len(m.sizes))
	return m
}

// part is the size of the largest buffer.
func (m *memory) part() int { return m.sizes[len(m.sizes)-1] }

// get waits until there is room for a buffer of so many bytes, or a part if that is less. The caller
// holds no other one.
func (m *memory) get(ctx context.Context, n int64) (*buffer, error) {
	class := m.class(n)
	if err := m.limit.Acquire(ctx, int64(m.sizes[class])); err != nil {
		return nil, fmt.Errorf("wait for memory of uploads, see upload_memory: %w", err)
	}
	return m.make(class), nil
}

// getFor is get for what has to fit whole, be it larger than a part: that of a process with a larger
// part_size. Such a buffer is not used again.
func (m *memory) getFor(ctx context.Context, fits, n int64) (*buffer, error) {
	if fits <= int64(m.part()) {
		return m.get(ctx, n)
	}
	reserved := min(fits, m.most)
	if err := m.limit.Acquire(ctx, reserved); err != nil {
		return nil, fmt.Errorf("wait for memory of uploads, see upload_memory: %w", err)
	}
	return &buffer{data: make([]byte, 0, fits), class: -1, reserved: reserved}, nil
}

// tryGet does not wait. Without room it is nil.
func (m *memory) tryGet(n int64) *buffer {
	class := m.class(n)
	if !m.limit.TryAcquire(int64(m.sizes[class])) {
		return nil
	}
	return m.make(class)
}

func (m *memory) class(n int64) int {
	for class, size := range m.sizes {
		if n <= int64(size) {
			return class
		}
	}
	return len(m.sizes) - 1
}

func (m *memory) make(class int) *buffer {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := int64(m.sizes[class])
	m.used += size
	if n := len(m.free[class]); n > 0 {
		b := m.free[class][n-1]
		m.free[class] = m.free[class][:n-1]
		if b.paged {
			m.spare -= size
		}
		m.unload(m.most - m.used)
		b.data, b.paged = b.data[:0], true
		return b
	}
	m.unload(m.most - m.used)
	return &buffer{data: newPages(m.sizes[class])[:0], class: class, reserved: size, paged: true}
}

// give takes a buffer back; nil is none. When nobody holds any more all pages go back to the system.
func (m *memory) give(b *buffer) {
	if b == nil {
		return
	}
	reserved := b.reserved
	if b.class >= 0 {
		m.keep(b)
	}
	m.limit.Release(reserved)
}

func (m *memory) keep(b *buffer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free[b.class] = append(m.free[b.class], b)
	m.used -= b.reserved
	m.spare += b.reserved
	if m.used == 0 {
		m.unload(0)
	}
}

// unload gives pages of free buffers back until no more than so many bytes of them are left. The buffers
// stay: a request that was given up may still be reading one. The caller holds mu.
func (m *memory) unload(most int64) {
	for class, free := range m.free {
		for _, b := range free {
			if m.spare <= most {
				return
			}
			if b.paged {
				dropPages(b.data[:cap(b.data)])
				b.paged = false
				m.spare -= int64(m.sizes[class])
			}
		}
	}
}
