// Package cache is the contract between sreg and what keeps small answers for a while: those of webhooks,
// sign-in keys, and who is throttled.
// It promises nothing but speed and agreement between instances: an entry may be gone at any time, and
// whoever asks for it can do without.
// It must not know what an entry means.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/sreg-project/sreg/internal/bytesize"
)

// MaxValue bounds a value: what is larger is not kept, and not believed.
const MaxValue = 1 << 20

// Cache keeps values for a while. Every method may be called by many goroutines, returns soon whatever is
// out of reach, and has no error: what fails is a miss.
type Cache interface {
	// Get finds a value that was set and whose time is not over. Others may have written it who share the
	// cache, unless it is Sealed, so its caller parses it strictly and takes what it cannot read for a miss. Nobody
	// changes it.
	Get(ctx context.Context, key string) (value []byte, ok bool)
	// Set keeps a value in place of the key's last one, for ttl at most. Nobody changes it afterwards.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration)
	// Delete drops a value. Another instance that has read it may still answer it until its time is over.
	Delete(ctx context.Context, key string)
}

// Counter counts for all instances together, in windows of time. As with a Cache, calls return soon.
type Counter interface {
	// Add adds n to the count of a key, which begins at 0 with each window and never falls below it. A
	// count that has come to the limit is not added to: Full says so, and Left for how long. It is not ok
	// if nobody knows.
	Add(ctx context.Context, key string, n int64, limit Limit) (count Count, ok bool)
	// Delete begins anew at 0.
	Delete(ctx context.Context, key string)
}

// Limit is how much may be counted in which time, from the first one on.
type Limit struct {
	Most   int64
	Window time.Duration
}

// Count is what an Add found.
type Count struct {
	Full bool
	Left time.Duration
}

// Key names an entry: what kind it is, in the clear, and what it is about, as a hash. So no token and no
// question stands in the list of keys. No two lists of parts have the same name.
func Key(kind string, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return kind + ":" + hex.EncodeToString(h.Sum(nil))
}

// Config is the cache section of sreg's configuration. The struct tags are the
// single source of the keys' names, values and documentation.
type Config struct {
	Type string        `mapstructure:"type" enum:"memory,redis" doc:"Where it is kept: memory serves one instance, redis is shared by several; docs/redis.md says what."`
	Size bytesize.Size `mapstructure:"size" min:"1" doc:"How much is kept in memory, also of what lies in Redis; what was used longest ago goes first."`
}

// DefaultConfig keeps 64 MiB in memory.
func DefaultConfig() Config {
	return Config{Type: "memory", Size: 64 * bytesize.MiB}
}
