package config

import (
	"reflect"
	"slices"

	"github.com/sreg-project/sreg/internal/secret"
)

// Files are the files that a configuration was read from and those that it names, each once: the config
// files, then certificates, keys, CAs, users and the files of secrets in the order of their keys. Who watches
// them sees every change of what a server was told. Some may be missing.
func (c *Config) Files(sources Sources) []string {
	files := slices.Clone(sources.Files)
	add := func(file string) {
		if file != "" && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	rootShape().values("", reflect.ValueOf(*c), func(_ string, s *shape, v reflect.Value) {
		switch {
		case s.file:
			add(v.String())
		case s.kind == secretText:
			add(v.Interface().(secret.Value).File())
		}
	})
	return files
}
