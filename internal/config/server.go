package config

import (
	"strings"

	"github.com/sreg-project/sreg/internal/server"
)

// LoadServer reads the server section alone, for who asks a server that runs: what has become wrong elsewhere in the
// files since it started is not asked about.
func LoadServer(o Options) (server.Config, error) {
	o.WithoutSecrets = true
	l, _, err := load(o)
	if err != nil {
		return server.Config{}, err
	}
	cfg, err := l.decode()
	if err != nil {
		return server.Config{}, err
	}
	wrong := problems{}
	for _, p := range l.found {
		if l.broken || strings.HasPrefix(p.Key, "server") {
			wrong = append(wrong, p)
		}
	}
	return cfg.Server, wrong.err()
}
