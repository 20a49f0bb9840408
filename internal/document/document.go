// Package document reads YAML, TOML and JSON into one tree of nodes, each with its line and column.
// It promises that a document stays within limits whoever wrote it, that every alias ends, and that a key
// which is given twice is still there twice.
// It must not know which keys a document may hold.
package document

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sreg-project/sreg/internal/spelling"
)

// Limits are what a document may cost.
type Limits struct {
	Bytes  int
	Values int // with YAML aliases written out
}

// maxDepth bounds mappings and lists within each other.
const maxDepth = 64

// Position is a place in a document; lines and columns begin at 1, 0 is unknown.
type Position struct {
	Line, Column int
}

// Kind is what a node is.
type Kind int

// The kinds of nodes.
const (
	Mapping Kind = iota
	List
	Scalar
)

// Node is one value of a document, the same for each format.
type Node struct {
	Kind  Kind
	At    Position
	Pairs []Pair  // of a mapping, in the order of the document
	Items []*Node // of a list
	Value any     // of a scalar: string, bool, int64, float64, nil or Other
	Text  string  // of a scalar, as it was written
}

// Pair is a key with its value.
type Pair struct {
	Key   string
	At    Position
	Value *Node
}

// Other is a scalar of no other type, such as a date in TOML; it holds what to call it.
type Other string

// Null reports a value that was left empty.
func (n *Node) Null() bool { return n.Kind == Scalar && n.Value == nil }

// Has reports whether a mapping has a key.
func (n *Node) Has(key string) bool {
	for _, p := range n.Pairs {
		if p.Key == key {
			return true
		}
	}
	return false
}

// Report is told what is wrong with the value at a key.
type Report func(at Position, key, message string)

// Unique are the pairs of the mapping at a key, the first of each name alone. The others are reported.
func (n *Node) Unique(key string, report Report) []Pair {
	first := map[string]Position{}
	pairs := make([]Pair, 0, len(n.Pairs))
	for _, p := range n.Pairs {
		if at, twice := first[p.Key]; twice {
			report(p.At, Join(key, p.Key), fmt.Sprintf("given twice, first in line %d", at.Line))
			continue
		}
		first[p.Key] = p.At
		pairs = append(pairs, p)
	}
	return pairs
}

// Join puts a name below a key: server.tls.
func Join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// NearestKey is the message about a name that is unknown below a key, where it is nearly one of those that
// are known.
func NearestKey(key, name string, known []string) (string, bool) {
	near, ok := spelling.Nearest(name, known)
	return "unknown key, did you mean " + Join(key, near) + "?", ok
}

// Show is the value as a message shows it.
func (n *Node) Show() string {
	switch {
	case n.Kind == Mapping:
		return "a mapping"
	case n.Kind == List:
		return "a list"
	}
	switch v := n.Value.(type) {
	case nil:
		return "nothing"
	case string:
		return Quote(v)
	case Other:
		return strings.TrimSpace(string(v) + " " + shorten(n.Text))
	default:
		return shorten(n.Text)
	}
}

// Quote shows a text in quotes, and only its beginning if it is long.
func Quote(s string) string {
	return strconv.Quote(shorten(s))
}

func shorten(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// SyntaxError is why a document could not be parsed.
type SyntaxError struct {
	At      Position
	Problem string
}

func (e *SyntaxError) Error() string {
	return e.Problem
}

// Extensions are the ends of the names of documents.
var Extensions = [...]string{".yaml", ".yml", ".toml", ".json"}

// Parse parses the content of the file called path, by its extension. An empty document is an empty mapping.
// The error is a *SyntaxError.
func Parse(path string, content []byte, limits Limits) (*Node, error) {
	var parse func([]byte, Limits) (*Node, error)
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		parse = parseYAML
	case ".toml":
		parse = parseTOML
	case ".json":
		parse = ParseJSON
	default:
		return nil, &SyntaxError{Problem: "want a file that ends in .yaml, .yml, .toml or .json"}
	}
	return parseWith(parse, content, limits)
}

// ParseYAML parses the content of a file as YAML, which JSON is, too, whatever the file is called.
func ParseYAML(content []byte, limits Limits) (*Node, error) {
	return parseWith(parseYAML, content, limits)
}

func parseWith(parse func([]byte, Limits) (*Node, error), content []byte, limits Limits) (*Node, error) {
	if len(content) > limits.Bytes {
		return nil, &SyntaxError{Problem: fmt.Sprintf("the file is over %d bytes", limits.Bytes)}
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if bad := firstInvalid(content); bad >= 0 {
		return nil, &SyntaxError{At: positionAt(content, bad), Problem: "the file is not UTF-8 text"}
	}
	return parse(content, limits)
}

// firstInvalid is where the first byte stands that is not UTF-8, or -1.
func firstInvalid(content []byte) int {
	for i := 0; i < len(content); {
		r, size := utf8.DecodeRune(content[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// locator finds line and column, in characters, of offsets in bytes. It goes on
// from where it was: finding every value of a document reads it about once.
type locator struct {
	content []byte
	offset  int
	line    int // before offset, from 0
	column  int
}

func (l *locator) at(offset int) Position {
	offset = min(offset, len(l.content))
	if offset < l.offset {
		l.offset, l.line, l.column = 0, 0, 0
	}
	passed := l.content[l.offset:offset]
	if last := bytes.LastIndexByte(passed, '\n'); last >= 0 {
		l.line += bytes.Count(passed, []byte("\n"))
		l.column, passed = 0, passed[last+1:]
	}
	l.column += utf8.RuneCount(passed)
	l.offset = offset
	return Position{Line: l.line + 1, Column: l.column + 1}
}

// positionAt finds the place of a single offset.
func positionAt(content []byte, offset int) Position {
	return (&locator{content: content}).at(max(offset, 0))
}

// budget counts what a document makes while it is turned into nodes.
type budget struct {
	limits        Limits
	values, depth int
}

// enter is called before each node, leave after it.
func (b *budget) enter(at Position) error {
	b.values++
	b.depth++
	if b.values > b.limits.Values {
		return &SyntaxError{At: at, Problem: fmt.Sprintf("the file holds over %d values, aliases written out", b.limits.Values)}
	}
	if b.depth > maxDepth {
		return &SyntaxError{At: at, Problem: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	return nil
}

func (b *budget) leave() {
	b.depth--
}
