package s3

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// smallestBuffer is the first of the sizes of buffers; each further one is twice as large.
const smallestBuffer = 64 << 10

// memory bounds what all uploads of a Store hold at once. A buffer is reserved before it is made.
//
// Nobody waits for a buffer while holding another one, so that no two uploads can wait for each other.
type memory struct {
	limit *semaphore.Weighted
	whole int64       // the limit, in bytes
	sizes []int       // of buffers, in bytes; the last one is a part
	pools []sync.Pool // one for each size
}

// buffer is memory that was reserved: its capacity never changes.
type buffer struct {
	data     []byte
	class    int   // which pool it goes back to; none if it is negative
	reserved int64 // in bytes
}

// isPart tells whether it holds a whole part, or more.
func (b *buffer) isPart(part int) bool { return b != nil && len(b.data) >= part }

func newMemory(limit, part int64) *memory {
	limit = max(limit, 2*part)
	m := &memory{limit: semaphore.NewWeighted(limit), whole: limit}
	for size := int64(smallestBuffer); size < part; size *= 2 {
		m.sizes = append(m.sizes, int(size))
	}
	m.sizes = append(m.sizes, int(part))
	m.pools = make([]sync.Pool, len(m.sizes))
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
	reserved := min(fits, m.whole)
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
	if b, ok := m.pools[class].Get().(*buffer); ok {
		b.data = b.data[:0]
		return b
	}
	return &buffer{data: make([]byte, 0, m.sizes[class]), class: class, reserved: int64(m.sizes[class])}
}

// give takes a buffer back; nil is none.
func (m *memory) give(b *buffer) {
	if b == nil {
		return
	}
	reserved := b.reserved
	if b.class >= 0 {
		m.pools[b.class].Put(b)
	}
	m.limit.Release(reserved)
}
