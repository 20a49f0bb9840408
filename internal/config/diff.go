package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/sreg-project/sreg/internal/document"
)

// Change is a key that has another value in another configuration.
type Change struct {
	// Key names an element of a list by its name, if it has one: auth.oidc[ci].issuer.
	Key string
	// Old and New are as a file would hold them, but that secrets are ***. nil is absent.
	Old, New any
	// Restart says that a running server does not take it.
	Restart bool
}

// Diff lists what differs between two configurations, in the order of the keys. An element of a list is
// compared with the one of its name. Where elements have no names they are compared by their number, behind
// those that both lists begin with.
func Diff(before, after *Config) []Change {
	var d differ
	d.compare(rootShape(), "", reflect.ValueOf(*before), reflect.ValueOf(*after))
	return d.changes
}

// Hash is the same for two configurations that have the same values. Secrets are left out: who sees the hash could try
// them.
func (c *Config) Hash() string {
	hash := sha256.New()
	rootShape().values("", reflect.ValueOf(*c), func(path string, s *shape, v reflect.Value) {
		fmt.Fprintf(hash, "%q %q\n", path, fmt.Sprint(written(s, v)))
	})
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

// differ gathers changes. A value that is not valid is absent.
type differ struct{ changes []Change }

func (d *differ) add(s *shape, key string, before, after reflect.Value) {
	d.changes = append(d.changes, Change{Key: key, Old: present(s, before), New: present(s, after), Restart: s.needsRestart()})
}

func present(s *shape, v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	if own := s.ownValues(v); len(own) > 0 {
		return own
	}
	return written(s, v)
}

// ownValues are those keys of a section that have not their default.
func (s *shape) ownValues(v reflect.Value) map[string]any {
	own := map[string]any{}
	for _, f := range s.fields {
		field := reflect.Indirect(v.FieldByIndex(f.index))
		switch {
		case !field.IsValid() || reflect.DeepEqual(field.Interface(), f.fallback) || f.fallback == nil && field.IsZero():
		case f.kind != section:
			own[f.key] = written(f, field)
		default:
			if below := f.ownValues(field); len(below) > 0 || f.optional {
				own[f.key] = below
			}
		}
	}
	return own
}

// needsRestart says whether some key of the shape does.
func (s *shape) needsRestart() bool {
	return s.restart || s.item != nil && s.item.needsRestart() || slices.ContainsFunc(s.fields, (*shape).needsRestart)
}

func (d *differ) compare(s *shape, key string, before, after reflect.Value) {
	before, after = reflect.Indirect(before), reflect.Indirect(after)
	switch {
	case equal(before, after):
	case !before.IsValid() || !after.IsValid():
		d.add(s, key, before, after)
	case s.kind == section:
		for _, f := range s.fields {
			d.compare(f, document.Join(key, f.key), before.FieldByIndex(f.index), after.FieldByIndex(f.index))
		}
	case s.kind == table:
		d.compareTables(s, key, before, after)
	case s.kind == list && s.item.kind == section:
		d.compareLists(s, key, before, after)
	default:
		d.add(s, key, before, after)
	}
}

// equal also holds for two lists or tables of which one is nil and the other one empty.
func equal(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	empty := (a.Kind() == reflect.Slice || a.Kind() == reflect.Map) && a.Len()+b.Len() == 0
	return empty || reflect.DeepEqual(a.Interface(), b.Interface())
}

func (d *differ) compareTables(s *shape, key string, before, after reflect.Value) {
	names := map[string]bool{}
	for _, name := range append(before.MapKeys(), after.MapKeys()...) {
		names[name.String()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := reflect.ValueOf(name)
		d.compare(s.item, document.Join(key, name), before.MapIndex(at), after.MapIndex(at))
	}
}

func (d *differ) compareLists(s *shape, key string, before, after reflect.Value) {
	old, oldNamed := s.item.named(before)
	now, nowNamed := s.item.named(after)
	if oldNamed && nowNamed {
		d.compareNamed(s, key, old, now)
		return
	}
	first, most := 0, min(before.Len(), after.Len())
	for first < most && equal(before.Index(first), after.Index(first)) {
		first++
	}
	same := 0 // at the end
	for same < most-first && equal(before.Index(before.Len()-1-same), after.Index(after.Len()-1-same)) {
		same++
	}
	for i := first; i < max(before.Len(), after.Len())-same; i++ {
		d.compare(s.item, fmt.Sprintf("%s[%d]", key, i), item(before, i, same), item(after, i, same))
	}
}

// item is an element of a list, if it is not one of the last ones.
func item(list reflect.Value, i, last int) reflect.Value {
	if i >= list.Len()-last {
		return reflect.Value{}
	}
	return list.Index(i)
}

// namedList is a list whose elements have names.
type namedList struct {
	names []string
	items map[string]reflect.Value
}

// named is a list of sections of the shape, if each has a name of its own.
func (s *shape) named(list reflect.Value) (namedList, bool) {
	l := namedList{items: map[string]reflect.Value{}}
	field := s.field("name")
	if field == nil {
		return l, false
	}
	for i := range list.Len() {
		name := list.Index(i).FieldByIndex(field.index).String()
		if _, twice := l.items[name]; twice || name == "" {
			return l, false
		}
		l.names = append(l.names, name)
		l.items[name] = list.Index(i)
	}
	return l, true
}

// split divides the names into those that another list has, too, and the others.
func (l namedList) split(other namedList) (both, own []string) {
	for _, name := range l.names {
		if _, ok := other.items[name]; ok {
			both = append(both, name)
		} else {
			own = append(own, name)
		}
	}
	return both, own
}

func (d *differ) compareNamed(s *shape, key string, before, after namedList) {
	old, _ := before.split(after)
	now, added := after.split(before)
	if !slices.Equal(old, now) {
		d.changes = append(d.changes, Change{Key: key, Old: old, New: now}) // the order alone
	}
	for _, name := range append(before.names, added...) {
		d.compare(s.item, fmt.Sprintf("%s[%s]", key, name), before.items[name], after.items[name])
	}
}
