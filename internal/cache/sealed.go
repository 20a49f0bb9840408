package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// The code, and until when the value is valid, stand before it.
const (
	codeSize = sha256.Size
	sealSize = codeSize + 8
)

// Sealed is a Cache in a place that others may write to. It keeps each value with a code (HMAC-SHA-256) of the name, the
// end and the value, by a key that this place does not have. What somebody else wrote, changed, moved to another name or
// made last is a miss; and so is everything before the key is known.
type Sealed struct {
	inner Cache
	key   atomic.Pointer[[]byte]
}

// NewSealed returns one that keeps nothing until Unseal.
func NewSealed(inner Cache) *Sealed { return &Sealed{inner: inner} }

// Unseal gives it the key.
func (s *Sealed) Unseal(key []byte) { s.key.Store(&key) }

// Get is as the contract says.
func (s *Sealed) Get(ctx context.Context, name string) ([]byte, bool) {
	key := s.key.Load()
	if key == nil {
		return nil, false
	}
	stored, ok := s.inner.Get(ctx, name)
	if !ok || len(stored) < sealSize || !hmac.Equal(stored[:codeSize], code(*key, name, stored[codeSize:])) {
		return nil, false
	}
	until := time.UnixMilli(int64(binary.BigEndian.Uint64(stored[codeSize:])))
	return stored[sealSize:], time.Now().Before(until)
}

// Set is as the contract says.
func (s *Sealed) Set(ctx context.Context, name string, value []byte, ttl time.Duration) {
	key := s.key.Load()
	if key == nil || len(value) > MaxValue-sealSize {
		return
	}
	stored := make([]byte, codeSize, sealSize+len(value))
	stored = binary.BigEndian.AppendUint64(stored, uint64(time.Now().Add(ttl).UnixMilli()))
	stored = append(stored, value...)
	copy(stored, code(*key, name, stored[codeSize:]))
	s.inner.Set(ctx, name, stored, ttl)
}

// Delete is as the contract says.
func (s *Sealed) Delete(ctx context.Context, name string) { s.inner.Delete(ctx, name) }

func code(key []byte, name string, content []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	mac.Write([]byte(name))
	mac.Write(content)
	return mac.Sum(nil)
}
