package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/sreg-project/sreg/internal/secret"
)

// secrets visits what nobody else may know: the files of keys, users and secrets, and secrets that stand in the
// configuration itself, which have no file.
func (c *Config) secrets(visit func(key, file string)) {
	rootShape().values("", reflect.ValueOf(*c), func(key string, s *shape, v reflect.Value) {
		switch {
		case s.private && v.String() != "":
			visit(key, v.String())
		case s.kind == secretText && v.Interface().(secret.Value).Reveal() != "":
			visit(key, v.Interface().(secret.Value).File())
		}
	})
}

// RefuseExposed is a *Error about each file of keys, users or secrets that other users of this computer can change: they
// could sign in as anybody. A file that they can only read is a warning, because Docker and Kubernetes hand secrets to
// a container in such files.
func (c *Config) RefuseExposed() error {
	var mistakes Error
	c.secrets(func(key, file string) {
		// What is not there is an error of whoever reads it.
		if e, err := secret.Exposed(file); file != "" && err == nil && e.Writable {
			mistakes.Problems = append(mistakes.Problems, Problem{Key: key, Message: fmt.Sprintf(
				"other users of this computer can write to %s, or replace it: chmod o-w, also for the folders above it", file)})
		}
	})
	if len(mistakes.Problems) == 0 {
		return nil
	}
	return &mistakes
}

// warnOfExposed warns of secrets that other users of this computer can read, and of config files that they can change.
func (c *Config) warnOfExposed(sources Sources, warn func(key, problem string)) {
	exposed := map[string][]string{} // the keys of a file's secrets: one warning for each file
	c.secrets(func(key, file string) {
		if file == "" {
			if file = sources.Of(key).Source; !slices.Contains(sources.Files, file) {
				return // the environment, or a flag
			}
		}
		if _, known := exposed[file]; !known {
			if e, err := secret.Exposed(file); err != nil || !e.Readable {
				return
			}
		}
		exposed[file] = append(exposed[file], key)
	})
	for _, file := range slices.Sorted(maps.Keys(exposed)) {
		keys, what := exposed[file], "it"
		if len(keys) > 1 {
			what = fmt.Sprintf("it and %d more secrets", len(keys)-1)
		}
		how := "chmod o-r (defaultMode: 0440 in a volume of Kubernetes)"
		if slices.Contains(sources.Files, file) {
			how += ", or keep each in a file of its own with file:/path"
		}
		warn(keys[0], fmt.Sprintf("other users of this computer can read %s in %s: %s", what, file, how))
	}
	for _, file := range sources.Files {
		if e, err := secret.Exposed(file); err == nil && e.Writable {
			warn("", fmt.Sprintf("other users of this computer can write to the config %s, or replace it: chmod o-w, also for the folders above it", file))
		}
	}
}
