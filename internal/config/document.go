package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a document may cost, whoever wrote it.
const (
	maxDocument = 1 << 20 // bytes of a file
	maxNodes    = 50_000  // values, with YAML aliases written out
	maxDepth    = 64      // mappings and lists within each other
)

// position is a place in a document; lines and columns begin at 1, 0 is unknown.
type position struct {
	line, column int
}

type nodeKind int

const (
	mappingNode nodeKind = iota
	listNode
	scalarNode
)

// node is one value of a parsed document, the same for each format.
type node struct {
	kind  nodeKind
	at    position
	pairs []pair  // of a mapping, in the order of the document
	items []*node // of a list
	value any     // of a scalar: string, bool, int64, float64, nil or otherScalar
	text  string  // of a scalar, as it was written
}

// pair is a key with its value; a document's duplicates are still there.
type pair struct {
	key   string
	at    position
	value *node
}

// otherScalar is a scalar that no key takes, such as a date; it holds what to call it.
type otherScalar string

// show is the value as a message shows it.
func (n *node) show() string {
	switch {
	case n.kind == mappingNode:
		return "a mapping"
	case n.kind == listNode:
		return "a list"
	}
	switch v := n.value.(type) {
	case nil:
		return "nothing"
	case string:
		return quote(v)
	case otherScalar:
		return string(v) + " " + shorten(n.text)
	default:
		return shorten(n.text)
	}
}

// quote shows a text in quotes, and only its beginning if it is long.
func quote(s string) string {
	return strconv.Quote(shorten(s))
}

func shorten(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// syntaxError is why a document could not be parsed.
type syntaxError struct {
	at      position
	problem string
}

func (e *syntaxError) Error() string {
	return e.problem
}

// parserOf finds the parser by the extension of a config file. An empty
// document is an empty mapping.
func parserOf(path string) (func([]byte) (*node, error), error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return parseYAML, nil
	case ".toml":
		return parseTOML, nil
	case ".json":
		return parseJSON, nil
	}
	return nil, &syntaxError{problem: "want a file that ends in .yaml, .yml, .toml or .json"}
}

// parseDocument parses the content of the file called path.
func parseDocument(path string, content []byte) (*node, error) {
	parse, err := parserOf(path)
	if err != nil {
		return nil, err
	}
	if len(content) > maxDocument {
		return nil, &syntaxError{problem: fmt.Sprintf("the file is over %d bytes", maxDocument)}
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if bad := firstInvalid(content); bad >= 0 {
		return nil, &syntaxError{at: positionAt(content, bad), problem: "the file is not UTF-8 text"}
	}
	return parse(content)
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

func (l *locator) at(offset int) position {
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
	return position{line: l.line + 1, column: l.column + 1}
}

// positionAt finds the place of a single offset.
func positionAt(content []byte, offset int) position {
	return (&locator{content: content}).at(max(offset, 0))
}

// budget counts what a document makes while it is turned into nodes.
type budget struct {
	nodes, depth int
}

// enter is called before each node, leave after it.
func (b *budget) enter(at position) error {
	b.nodes++
	b.depth++
	if b.nodes > maxNodes {
		return &syntaxError{at: at, problem: fmt.Sprintf("the file holds over %d values, aliases written out", maxNodes)}
	}
	if b.depth > maxDepth {
		return &syntaxError{at: at, problem: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	return nil
}

func (b *budget) leave() {
	b.depth--
}
