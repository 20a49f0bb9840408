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
	sizes []int       // of buffers, in bytes; the last one is a part
	pools []sync.Pool // one for each size
}

// buffer is memory that was reserved: its capacity never changes.
type buffer struct {
	data  []byte
	class int
}

func newMemory(limit, part int64) *memory {
	m := &memory{limit: semaphore.NewWeighted(max(limit, 2*part))}
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
	return &buffer{data: make([]byte, 0, m.sizes[class]), class: class}
}

// give takes a buffer back; nil is none.
func (m *memory) give(b *buffer) {
	if b == nil {
		return
	}
	m.pools[b.class].Put(b)
	m.limit.Release(int64(m.sizes[b.class]))
}
