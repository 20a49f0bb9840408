package config

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
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
	if running.Policy != nil && cfg.Policy == nil { // a file that lost its end would let everybody in behind a proxy
		l.found = append(l.found, Problem{Key: "policy", Message: "is gone, and a server that has rules does not serve without any: write policy: {default: allow}, or restart"})
		return Reloaded{Sources: sources}, l.found.err()
	}
	r := Reloaded{Config: cfg, Sources: sources, Changes: Diff(running, cfg)}
	if !slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Restart }) {
		return r, nil
	}
	retain(rootShape(), reflect.ValueOf(*running), reflect.ValueOf(cfg).Elem())
	if slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Restart && c.placed() }) {
		r.keepRules(running)
	}
	l.validate(cfg, sources)
	return r, l.found.err()
}

// placed says whether a change is one of where requests come from or where the data lies.
func (c Change) placed() bool {
	return strings.HasPrefix(c.Key, "server.listeners") || strings.HasPrefix(c.Key, "storage")
}

// keepRules keeps what says who may do what, and what becomes of the data: it is meant for addresses and stores that are
// there after a restart.
func (r *Reloaded) keepRules(running *Config) {
	r.Policy, r.Repositories, r.Webhooks = running.Policy, running.Repositories, running.Webhooks
	r.Registry, r.Retention, r.GC = running.Registry, running.Retention, running.GC
	for i, c := range r.Changes {
		first := c.Key[:len(c.Key)-len(strings.TrimLeft(c.Key, "abcdefghijklmnopqrstuvwxyz_"))]
		r.Changes[i].Restart = c.Restart || c.placed() && first == "server" || slices.Contains([]string{"policy", "repositories", "webhooks", "registry", "retention", "gc"}, first)
	}
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
		item, there := now.items[name]
		if !there || !oldNamed || !nowNamed {
			continue
		}
		next := reflect.New(item.Type()).Elem()
		next.Set(item)
		retain(s.item, running.Index(i), next)
		if equal(next, item) { // else what it serves is meant for another address
			kept.Index(i).Set(next)
		}
	}
	next.Set(kept)
}
