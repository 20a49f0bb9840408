package cache

import "github.com/sreg-project/sreg/internal/bytesize"

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
