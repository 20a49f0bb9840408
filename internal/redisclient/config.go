// Package redisclient is for connections to Redis.
// It promises that one config makes one client, be it of a server, a Sentinel or a Cluster, and that errors
// name the key to change.
// It must not know what is kept in Redis.
package redisclient

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/sreg-project/sreg/internal/secret"
)

// schemes are those of URLs: plain, and over TLS.
var schemes = []string{"redis", "rediss"}

// Config is the redis section of sreg's configuration. The struct tags are the
// single source of the keys' names, values and documentation.
type Config struct {
	URL       string       `mapstructure:"url" doc:"redis://host:6379/0, or rediss:// over TLS. Several hosts with commas between them are a Cluster; with ?master_name=NAME they are Sentinels."`
	Username  string       `mapstructure:"username" doc:"The user of Redis's ACL; empty = the default user."`
	Password  secret.Value `mapstructure:"password" doc:"The password of the user."`
	CAFile    string       `mapstructure:"ca_file" doc:"The certificates in PEM that the server's is checked against, in place of the system's."`
	CertFile  string       `mapstructure:"cert_file" doc:"The client certificate in PEM that the server is shown."`
	KeyFile   string       `mapstructure:"key_file" doc:"The private key of cert_file in PEM."`
	KeyPrefix string       `mapstructure:"key_prefix" doc:"What all keys begin with, so that several registries can share a server."`
}

// DefaultConfig names no server.
func DefaultConfig() Config {
	return Config{KeyPrefix: "sreg:"}
}

// Validate reports what is wrong: the path below the section, and the problem.
func (c Config) Validate(report func(path, problem string)) {
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		switch {
		case err != nil || !slices.Contains(schemes, u.Scheme) || u.Host == "":
			report("url", "want redis://host:6379/0 or rediss://host:6379/0")
		case u.User != nil:
			report("url", "want no user in the URL: set username and password")
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		report("cert_file", fmt.Sprintf("want cert_file and key_file together, got %q and %q", c.CertFile, c.KeyFile))
	}
}
