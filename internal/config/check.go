package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/sreg-project/sreg/internal/bytesize"
	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/secret"
	"github.com/sreg-project/sreg/internal/timespan"
)

// checker turns the nodes of one source into the Go values that the shape asks
// for, and reports what does not fit. It leaves out what is wrong and reads the
// rest, so that all mistakes are found at once.
type checker struct {
	*loader
	origin func(document.Position) Origin
	given  map[string]Origin // where each key of the source was given
}

// value is the Go value of a node at a path: a map for a section or table, a
// slice for a list. It is not ok if the value is wrong.
func (c *checker) value(s *shape, n *document.Node, path string) (any, bool) {
	c.given[path] = c.origin(n.At)
	switch s.kind {
	case section:
		return c.section(s, n, path)
	case list:
		return c.list(s, n, path)
	case table:
		return c.table(s, n, path)
	default:
		return c.scalar(s, n, path)
	}
}

func (c *checker) report(at document.Position, path, message string) {
	c.found = append(c.found, Problem{Origin: c.origin(at), Key: path, Message: message})
}

// mismatch reports a value of the wrong kind.
func (c *checker) mismatch(s *shape, n *document.Node, path string) {
	c.report(n.At, path, fmt.Sprintf("want %s, got %s%s", s.expects(), n.Show(), n.Hint()))
}

func (c *checker) section(s *shape, n *document.Node, path string) (any, bool) {
	if _, ok := n.Value.(string); ok && n.Kind == document.Scalar && s.short != "" {
		n = &document.Node{Kind: document.Mapping, At: n.At, Pairs: []document.Pair{{Key: s.short, At: n.At, Value: n}}}
	}
	if n.Kind != document.Mapping {
		c.mismatch(s, n, path)
		return nil, false
	}
	if s.filled && len(n.Pairs) == 0 {
		c.report(n.At, path, "want at least one key, got an empty mapping")
		return nil, false
	}
	values := map[string]any{}
	for _, p := range n.Unique(path, c.report) {
		below := document.Join(path, p.Key)
		field := s.field(p.Key)
		if field == nil {
			c.report(p.At, below, c.unknown(s, p.Key, path))
			continue
		}
		if v, ok := c.value(field, p.Value, below); ok {
			values[p.Key] = v
		}
	}
	c.require(s, n, path)
	return values, true
}

func (c *checker) require(s *shape, n *document.Node, path string) {
	for _, f := range s.fields {
		if !f.required || n.Has(f.key) {
			continue
		}
		c.report(n.At, document.Join(path, f.key), "missing, want "+f.expects())
	}
}

func (c *checker) list(s *shape, n *document.Node, path string) (any, bool) {
	if n.Kind != document.List {
		c.mismatch(s, n, path)
		return nil, false
	}
	values := make([]any, 0, len(n.Items))
	for i, item := range n.Items {
		v, ok := c.value(s.item, item, fmt.Sprintf("%s[%d]", path, i))
		if !ok {
			v = s.item.blank() // so that the elements behind it keep their numbers
		}
		values = append(values, s.item.complete(v))
	}
	return values, true
}

func (c *checker) table(s *shape, n *document.Node, path string) (any, bool) {
	if n.Kind != document.Mapping {
		c.mismatch(s, n, path)
		return nil, false
	}
	values := map[string]any{}
	for _, p := range n.Unique(path, c.report) {
		below := document.Join(path, p.Key)
		if !s.names.MatchString(p.Key) {
			c.report(p.At, below, "want a name in lower-case letters, digits and _, got "+document.Quote(p.Key))
			continue
		}
		if v, ok := c.value(s.item, p.Value, below); ok {
			values[p.Key] = v
		}
	}
	return values, true
}

func (c *checker) scalar(s *shape, n *document.Node, path string) (any, bool) {
	if n.Kind != document.Scalar {
		c.mismatch(s, n, path)
		return nil, false
	}
	if s.kind == secretText {
		return c.secret(n, path)
	}
	v, problem := s.convert(n)
	if problem != "" {
		c.report(n.At, path, problem)
		return nil, false
	}
	return v, true
}

// secret reads a secret, and never shows it. Without secrets the files of those that open no store are not
// read, because commands that look after the data need only the others, and any file may be missing: such a secret
// counts as given, and nothing is known of its text.
func (c *checker) secret(n *document.Node, path string) (any, bool) {
	text, ok := n.Value.(string)
	if !ok {
		c.report(n.At, path, "want a text or file:/path")
		return nil, false
	}
	delete(c.unread, path)
	opensStore := strings.HasPrefix(path, "storage.") || strings.HasPrefix(path, "redis.")
	if c.withoutSecrets && secret.InFile(text) && !opensStore {
		c.unread[path] = true
		return secret.New("unread"), true
	}
	v, err := secret.Parse(text)
	switch {
	case err != nil && c.withoutSecrets: // whoever needs it is refused by the service; others go on
		c.unread[path] = true
		return secret.New("unread"), true
	case err != nil:
		c.report(n.At, path, err.Error())
		return nil, false
	}
	return v, true
}

// convert makes the Go value of a scalar, or says what is wrong with it.
func (s *shape) convert(n *document.Node) (v any, problem string) {
	mismatch := fmt.Sprintf("want %s, got %s", s.expects(), n.Show())
	switch s.kind {
	case boolean:
		if b, ok := n.Value.(bool); ok {
			return b, ""
		}
		return nil, mismatch
	case integer:
		return s.convertInteger(n, mismatch)
	case number:
		return s.convertNumber(n, mismatch)
	case duration:
		return s.convertDuration(n, mismatch)
	case size:
		return s.convertSize(n, mismatch)
	default:
		return s.convertText(n, mismatch)
	}
}

func (s *shape) convertText(n *document.Node, mismatch string) (any, string) {
	word, ok := n.Value.(string)
	if !ok && n.Value != nil {
		return nil, mismatch + ": put it in quotes"
	}
	if !ok || (len(s.enum) > 0 && !slices.Contains(s.enum, word)) || (s.pattern != nil && !s.pattern.MatchString(word)) {
		return nil, mismatch
	}
	return word, ""
}

func (s *shape) convertInteger(n *document.Node, mismatch string) (any, string) {
	v, problem := s.convertNumber(n, mismatch)
	if problem != "" {
		return nil, problem
	}
	f := v.(float64) // exact: every bound of an integer is far below 2^53
	if f != math.Trunc(f) {
		return nil, mismatch
	}
	return int(f), ""
}

func (s *shape) convertNumber(n *document.Node, mismatch string) (any, string) {
	var f float64
	switch v := n.Value.(type) {
	case int64:
		f = float64(v)
	case float64:
		f = v
	default:
		return nil, mismatch
	}
	if !s.within(f) {
		return nil, mismatch
	}
	return f, ""
}

func (s *shape) within(f float64) bool {
	return !math.IsNaN(f) && !math.IsInf(f, 0) && (s.min == nil || f >= *s.min) && (s.max == nil || f <= *s.max)
}

var durations = regexp.MustCompile(durationPattern)

func (s *shape) convertDuration(n *document.Node, mismatch string) (any, string) {
	word, ok := textOrZero(n)
	if !ok {
		return nil, mismatch
	}
	if !durations.MatchString(word) {
		return nil, mismatch + durationHint(word)
	}
	d, err := timespan.Parse(word)
	if err != nil {
		return nil, fmt.Sprintf("want a duration below 292 years, got %s", n.Show())
	}
	if !s.within(float64(d)) {
		return nil, fmt.Sprintf("want more than 0, got %s", n.Show())
	}
	return d, ""
}

// durationHint explains the units that people try and Go does not know.
func durationHint(word string) string {
	if digits.MatchString(word) {
		return ": a unit is missing: ms, s, m, h or d"
	}
	return ": units are ms, s, m, h and d"
}

var digits = regexp.MustCompile(`^[0-9]+$`)

func (s *shape) convertSize(n *document.Node, mismatch string) (any, string) {
	word, ok := textOrZero(n)
	if !ok {
		return nil, mismatch
	}
	v, err := bytesize.ParseSize(word)
	if err != nil {
		return nil, err.Error()
	}
	if !s.within(float64(v)) {
		return nil, fmt.Sprintf("want more than 0, got %s", n.Show())
	}
	return v, ""
}

// textOrZero is the text of a value with a unit. A number comes back as it was
// written: 0 needs no unit, and about any other one a message says that its
// unit is missing.
func textOrZero(n *document.Node) (string, bool) {
	switch v := n.Value.(type) {
	case string:
		return v, true
	case int64:
		return fmt.Sprint(v), true
	default:
		return "", false
	}
}

// blank is the empty value or the default of the shape's kind.
func (s *shape) blank() any {
	switch s.kind {
	case section, table:
		return map[string]any{}
	default:
		return s.fallback
	}
}

// complete adds the defaults of the keys that are missing in v. It is for sections
// that have defaults only if they are given, such as the items of a list.
func (s *shape) complete(v any) any {
	values, ok := v.(map[string]any)
	if s.kind != section || !ok {
		return v
	}
	for _, f := range s.fields {
		given, ok := values[f.key]
		switch {
		case f.kind == section && ok:
			values[f.key] = f.complete(given)
		case f.kind == section && !f.optional:
			values[f.key] = f.complete(map[string]any{})
		case !ok && f.kind == list && f.defaultValue() != nil && f.item.kind != section:
			values[f.key] = f.fallback
		case !ok && f.kind != table && f.kind != list && f.kind != section && !f.optional:
			values[f.key] = f.fallback
		}
	}
	return values
}
