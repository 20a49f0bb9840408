package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/spelling"
)

// prefix begins every environment variable that sets a key.
const prefix = "SREG_"

// Override is a value from the command line. It replaces those of all other sources.
type Override struct {
	Flag  string // what the user knows it by: --address
	Key   string // server.listeners
	Value string // as an environment variable has it: lists, tables and sections are JSON
}

// variableOf is the environment variable that sets a key.
func variableOf(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// variables finds the path and shape of every key that an environment variable
// can set: all but those within lists and tables, which are set whole.
func variables(root *shape) map[string]target {
	found := map[string]target{}
	root.walk("", func(path string, s *shape) {
		if !strings.Contains(path, "[]") {
			found[variableOf(path)] = target{path: path, shape: s}
		}
	})
	return found
}

type target struct {
	path  string
	shape *shape
}

// kubernetes matches what Kubernetes sets in every container beside a service
// called sreg or sreg-something.
var kubernetes = regexp.MustCompile(`^SREG_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)=`)

// others begin what belongs to the project's tests and tools, and to the
// completion of the command line.
var others = []string{"SREG_TEST_", "SREG_TOOLS_", "SREG_ACTIVE_HELP=", "SREG_COMPLETION_DESCRIPTIONS="}

// foreign reports whether an entry of the environment is not meant for the
// configuration.
func foreign(entry string) bool {
	begins := func(other string) bool { return strings.HasPrefix(entry, other) }
	return !begins(prefix) || slices.ContainsFunc(others, begins) || kubernetes.MatchString(entry)
}

// addEnviron lays the environment over what was read. In the order of their
// names a section's variable comes before those of its keys, which are more
// exact.
func (l *loader) addEnviron(environ []string) {
	known := variables(l.root)
	given := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && !foreign(entry) {
			given[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		origin := l.nextLayer(name)
		t, ok := known[name]
		if !ok {
			l.found = append(l.found, Problem{Origin: origin, Message: unknownVariable(name, known)})
			continue
		}
		l.addText(t, given[name], origin)
	}
}

func unknownVariable(name string, known map[string]target) string {
	if key, ok := unsupportedVariable(name); ok {
		return key + ": " + notSupported
	}
	if near, ok := spelling.Nearest(name, slices.Sorted(maps.Keys(known))); ok {
		return "unknown variable, did you mean " + near + "?"
	}
	return "unknown variable; those that begin with " + prefix + " set keys, as SREG_SERVER_HTTP2 sets server.http2"
}

// addOverrides lays the flags over everything.
func (l *loader) addOverrides(overrides []Override) error {
	for _, o := range overrides {
		s := l.root.find(o.Key)
		if s == nil {
			return fmt.Errorf("flag %s sets %s: no such key", o.Flag, o.Key)
		}
		l.addText(target{path: o.Key, shape: s}, o.Value, l.nextLayer(o.Flag))
	}
	return nil
}

// find is the shape at a path of sections.
func (s *shape) find(path string) *shape {
	for key := range strings.SplitSeq(path, ".") {
		if s = s.field(key); s == nil {
			return nil
		}
	}
	return s
}

// addText lays one value over what was read: lists, tables and sections are
// JSON, anything else is taken as it is.
func (l *loader) addText(t target, value string, origin Origin) {
	n := &document.Node{Kind: document.Scalar, Value: scalarOf(t.shape.kind, value), Text: value}
	if t.shape.kind == section || t.shape.kind == list || t.shape.kind == table {
		var err error
		if n, err = document.ParseJSON([]byte(value), limits); err != nil {
			l.found = append(l.found, Problem{Origin: origin, Key: t.path, Message: fmt.Sprintf("want %s as JSON: %v", t.shape.expects(), err)})
			return
		}
	}
	// The source holds this value alone: there are no lines.
	c := l.checker(func(document.Position) Origin { return origin })
	if v, ok := c.value(t.shape, n, t.path); ok {
		l.merge(nest(t.path, v), c.given)
	}
}

// scalarOf reads the text of a variable as a file would hold it.
func scalarOf(k kind, value string) any {
	switch k {
	case boolean:
		if value == "true" || value == "false" {
			return value == "true"
		}
	case integer, number:
		if whole, err := strconv.ParseInt(value, 10, 64); err == nil {
			return whole
		}
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			return f
		}
	}
	return value
}

// nest wraps a value in a map for each word of its path.
func nest(path string, v any) map[string]any {
	words := strings.Split(path, ".")
	for i := len(words) - 1; i > 0; i-- {
		v = map[string]any{words[i]: v}
	}
	return map[string]any{words[0]: v}
}
