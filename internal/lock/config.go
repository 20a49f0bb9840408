package lock

import (
	"fmt"
	"time"
)

// Config is the locks section of sreg's configuration. The struct tags are the
// single source of the keys' names, values and documentation.
type Config struct {
	Type  string        `mapstructure:"type" config:"restart" enum:"memory,redis" doc:"Where locks are held: memory serves one instance, redis several that share a store."`
	Lease time.Duration `mapstructure:"lease" doc:"redis: how long a lock outlives an instance that died with it. A living one renews its locks three times as often."`
}

// DefaultConfig holds locks in memory.
func DefaultConfig() Config {
	return Config{Type: "memory", Lease: 30 * time.Second}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.Lease < time.Second {
		report("lease", fmt.Sprintf("want at least 1s, got %s", c.Lease))
	}
}
