package redisclient

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/sreg-project/sreg/internal/outbound"
	"github.com/sreg-project/sreg/internal/secret"
)

// Config is the redis section of sreg's configuration. The struct tags are the
// single source of the keys' names, values and documentation.
type Config struct {
	URL      string       `mapstructure:"url" config:"restart" doc:"redis://host:6379/0, or rediss:// over TLS. Several hosts with commas between them are a Cluster; with ?master_name=NAME they are Sentinels. docs/redis.md has examples."`
	Username string       `mapstructure:"username" doc:"The user of Redis's ACL; empty = the default user."`
	Password secret.Value `mapstructure:"password" doc:"The password of the user."`

	outbound.Files `mapstructure:",squash"`

	KeyPrefix string `mapstructure:"key_prefix" config:"restart" doc:"What all keys begin with, so that several registries can share a server."`
}

// DefaultConfig names no server.
func DefaultConfig() Config {
	return Config{KeyPrefix: "sreg:"}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.URL != "" {
		if _, err := parseURL(c.URL); err != nil {
			report("url", err.Error())
		}
	}
	if c.Username != "" && c.Password.Reveal() == "" {
		report("password", fmt.Sprintf("want the password of user %q", c.Username))
	}
	if strings.ContainsFunc(c.KeyPrefix, func(r rune) bool { return r <= ' ' || !unicode.IsPrint(r) || strings.ContainsRune("{}*?[]\\", r) }) {
		report("key_prefix", fmt.Sprintf("want no spaces, braces, brackets, *, ? or backslashes, got %q", c.KeyPrefix))
	}
	c.Files.Validate(report)
	if c.Files.Any() && strings.HasPrefix(c.URL, "redis://") {
		report("url", "want rediss://, because there are certificates; without TLS nothing would be checked")
	}
}
