package telemetry

// LogConfig is the log section of sreg's configuration. The struct tags are
// the single source of the keys' names, values and documentation.
type LogConfig struct {
	Level   string            `mapstructure:"level" enum:"debug,info,warn,error" doc:"The least important level that is logged."`
	Format  string            `mapstructure:"format" enum:"auto,text,json" doc:"auto is text on a terminal and json elsewhere."`
	Modules map[string]string `mapstructure:"modules" enum:"debug,info,warn,error" keys:"^[a-z][a-z0-9_]*$" doc:"The level of single modules: {storage: debug}. Names are in lower case."`
	Access  Access            `mapstructure:"access" doc:"The log of requests."`
	Audit   Audit             `mapstructure:"audit" doc:"The log of decisions about requests, and of sign-ins that fail."`
}

// Audit is the log of decisions.
type Audit struct {
	File     string `mapstructure:"file" doc:"The file that each decision of the authorization and each sign-in that fails is appended to, as one line of JSON; empty = none."`
	Required bool   `mapstructure:"required" doc:"Whether requests of which no record can be written are refused, with 503."`
}

// Validate reports what the values may not be together.
func (c LogConfig) Validate(report func(path, problem string)) {
	if c.Audit.Required && c.Audit.File == "" {
		report("audit.required", "there is no file for the records: set log.audit.file")
	}
}

// Access is the log of requests.
type Access struct {
	Enabled *bool   `mapstructure:"enabled" doc:"Whether requests are logged. Left out: on a terminal alone, a line for each."`
	Sample  float64 `mapstructure:"sample" min:"0" max:"1" doc:"The share of requests that is logged, from 0 to 1."`
}

// Share is the share of requests that is logged, where somebody reads the log on a terminal or not.
func (a Access) Share(terminal bool) float64 {
	if a.Enabled != nil && *a.Enabled || a.Enabled == nil && terminal {
		return a.Sample
	}
	return 0
}

// DefaultLogConfig logs what an operator acts on.
func DefaultLogConfig() LogConfig {
	return LogConfig{Level: "info", Format: "auto", Access: Access{Sample: 1}}
}
