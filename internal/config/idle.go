package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/document"
)

// Idle are the keys that were given and that have no effect, because a switch says otherwise: a section beside a key
// type that names another one, keys beside enabled: false, and what a tag needs says.
func (c *Config) Idle(sources Sources) []Problem {
	var found []Problem
	root := node{shape: rootShape(), value: reflect.ValueOf(*c)}
	root.idle(root, func(key string, needs []string) {
		if origin, given := sources.Below(key); given {
			found = append(found, Problem{Origin: origin, Key: key, Message: "has no effect: it needs " + strings.Join(needs, " or ")})
		}
	}, func(key string) bool { _, given := sources.Below(key); return given })
	return append(found, c.idleRepositories(sources)...)
}

// idleRepositories are those that set nothing. The name alone has an effect where unlisted namespaces are denied, and where it
// takes its namespaces from another repository.
func (c *Config) idleRepositories(sources Sources) (found []Problem) {
	if c.Registry.UnlistedNamespaces != "allow" {
		return nil
	}
	for i, r := range c.Repositories {
		alone := Repository{Retention: r.Retention}
		alone.Name = r.Name
		within := slices.ContainsFunc(c.Repositories, func(other Repository) bool { return strings.HasPrefix(r.Name, other.Name+"/") })
		if !within && len(r.Retention.Rules) == 0 && reflect.DeepEqual(r, alone) {
			key := fmt.Sprintf("repositories[%d]", i)
			found = append(found, Problem{Origin: sources.Of(key), Key: key, Message: "has no effect: it sets nothing, and registry.unlisted_namespaces is allow"})
		}
	}
	return found
}

// node is what a configuration has at a path.
type node struct {
	path  string
	shape *shape
	value reflect.Value
}

// idle reports what below n has no effect, and what it needs to have one.
func (n node) idle(root node, report func(key string, needs []string), given func(key string) bool) {
	n.value = reflect.Indirect(n.value)
	if !n.value.IsValid() {
		return // an optional section that is not there
	}
	if n.shape.kind == list && n.shape.item.kind == section {
		for i := range n.value.Len() {
			node{fmt.Sprintf("%s[%d]", n.path, i), n.shape.item, n.value.Index(i)}.idle(root, report, given)
		}
		return
	}
	if n.shape.kind != section {
		return
	}
	enabled, ok := n.child("enabled")
	off := ok && enabled.is("false")
	if off && !given(enabled.path) {
		report(n.path, []string{enabled.path + ": true"})
		return
	}
	for _, f := range n.shape.fields {
		below, _ := n.child(f.key)
		if off && f.key != "enabled" {
			report(below.path, []string{enabled.path + ": true"})
			continue
		}
		if needs := n.lacks(root, f); len(needs) > 0 {
			report(below.path, needs)
			continue
		}
		below.idle(root, report, given)
	}
}

// lacks is what a key of n needs to have an effect, one of these; nothing if it has one.
func (n node) lacks(root node, f *shape) (needs []string) {
	if kind, ok := n.child("type"); ok && f.kind == section && slices.Contains(kind.shape.enum, f.key) && !kind.is(f.key) {
		return []string{kind.path + ": " + f.key}
	}
	for _, need := range f.needs {
		from := root
		if strings.HasPrefix(need, ".") {
			from, need = n, need[1:]
		}
		path, want, _ := strings.Cut(need, "=")
		if from.has(strings.Split(path, "."), want) {
			return nil
		}
		text := document.Join(from.path, path)
		if want != "" {
			text += ": " + want
		}
		needs = append(needs, text)
	}
	return needs
}

// has says whether the key at a path has a value, or any where none is wanted; of a list, in one of its items.
func (n node) has(path []string, want string) bool {
	n.value = reflect.Indirect(n.value)
	if !n.value.IsValid() {
		return false
	}
	if len(path) == 0 {
		return want == "" && !n.value.IsZero() || want != "" && n.is(want)
	}
	key, isList := strings.CutSuffix(path[0], "[]")
	below, ok := n.child(key)
	if !ok {
		return false
	}
	if !isList {
		return below.has(path[1:], want)
	}
	for i := range below.value.Len() {
		if (node{below.path, below.shape.item, below.value.Index(i)}).has(path[1:], want) {
			return true
		}
	}
	return false
}

func (n node) is(want string) bool {
	value := reflect.Indirect(n.value)
	return value.IsValid() && fmt.Sprint(value) == want
}

// child is what n has at a key. An optional one that is not there has no value.
func (n node) child(key string) (node, bool) {
	f := n.shape.field(key)
	if f == nil {
		return node{}, false
	}
	return node{document.Join(n.path, key), f, n.value.FieldByIndex(f.index)}, true
}
