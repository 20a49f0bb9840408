package lock

// Config is the locks section of sreg's configuration. The struct tags are the
// single source of the keys' names, values and documentation.
type Config struct {
	Type string `mapstructure:"type" enum:"memory" doc:"Where locks are held: memory serves one instance."`
}

// DefaultConfig holds locks in memory.
func DefaultConfig() Config {
	return Config{Type: "memory"}
}
