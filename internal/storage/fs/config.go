package fs

// Config is the fs section of a store in sreg's configuration. The struct tags
// are the single source of the keys' names and documentation.
type Config struct {
	Root string `mapstructure:"root" config:"restart" doc:"The folder that holds everything; relative to the working directory. The flag --data sets it for storage.blobs."`
	Sync bool   `mapstructure:"sync" doc:"Whether an answer waits until what it acknowledges would survive a loss of power."`
}

// DefaultConfig keeps everything durably in ./sreg-data.
func DefaultConfig() Config {
	return Config{Root: "./sreg-data", Sync: true}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.Root == "" {
		report("root", "want the path of a folder")
	}
}
