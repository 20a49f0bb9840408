package config

import (
	"bytes"
	"reflect"
	"slices"
)

// Reloaded is a configuration for a server that serves.
type Reloaded struct {
	*Config // what it can serve: keys that need a restart have the values that it runs with
	Sources Sources
	Changes []Change // what differs from the configuration that it runs with, also where a restart is needed
}

// Reload loads a configuration again for a server that runs with one. It is refused, as Load does it, if it is wrong as
// it stands, or wrong beside what cannot change before a restart.
func Reload(o Options, running *Config) (Reloaded, error) {
	l, sources, err := load(o)
	if err != nil {
		return Reloaded{Sources: sources}, err
	}
	for _, file := range sources.Files {
		if text, ok := l.texts[file]; ok && len(bytes.TrimSpace(text)) == 0 { // somebody is about to write it
			l.found = append(l.found, Problem{Origin: Origin{Source: file}, Message: "is empty, which a server that serves does not take: remove the file and restart, or write it"})
		}
	}
	cfg, err := l.finish(sources)
	if err != nil {
		return Reloaded{Sources: sources}, err
	}
	r := Reloaded{Config: cfg, Sources: sources, Changes: Diff(running, cfg)}
	if !slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Restart }) {
		return r, nil
	}
	retain(rootShape(), reflect.ValueOf(*running), reflect.ValueOf(cfg).Elem())
	l.validate(cfg, sources)
	return r, l.found.err()
}

// retain sets the keys that need a restart to what a server runs with.
func retain(s *shape, running, next reflect.Value) {
	switch {
	case !s.needsRestart():
	case s.restart:
		next.Set(running)
	case running.Kind() == reflect.Pointer:
		if running.IsNil() || next.IsNil() {
			next.Set(running)
			return
		}
		retain(s, running.Elem(), next.Elem())
	case s.kind == section:
		for _, f := range s.fields {
			retain(f, running.FieldByIndex(f.index), next.FieldByIndex(f.index))
		}
	default:
		retainItems(s, running, next)
	}
}

// retainItems keeps a list as it is, but for the keys of its items that can change.
func retainItems(s *shape, running, next reflect.Value) {
	kept := reflect.MakeSlice(running.Type(), running.Len(), running.Len())
	reflect.Copy(kept, running)
	old, oldNamed := s.item.named(running)
	now, nowNamed := s.item.named(next)
	for i, name := range old.names {
		if item, ok := now.items[name]; ok && oldNamed && nowNamed {
			kept.Index(i).Set(item)
			retain(s.item, running.Index(i), kept.Index(i))
		}
	}
	next.Set(kept)
}
