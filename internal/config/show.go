package config

import (
	"reflect"
	"slices"
	"strings"
)

// Setting is a key with the value that counts.
type Setting struct {
	Key string
	// Value is as a file would hold it, but that secrets are ***.
	Value any
	// From is where it was given; its Source is empty if that is nowhere, and the value is the default.
	From Origin
}

// Settings are all keys of a configuration, in the order of its documentation, and where each was given.
func (c *Config) Settings(sources Sources) []Setting {
	var all []Setting
	rootShape().values("", reflect.ValueOf(*c), func(path string, s *shape, v reflect.Value) {
		all = append(all, Setting{Key: path, Value: written(s, v), From: sources.given[path]})
	})
	return all
}

// Keys are the sections and keys that a configuration may have, sorted. Those of the elements of a list are left out.
func Keys() []string {
	var keys []string
	rootShape().walk("", func(path string, _ *shape) {
		if path != "" && !strings.Contains(path, "[") {
			keys = append(keys, path)
		}
	})
	slices.Sort(keys)
	return slices.Compact(keys)
}
