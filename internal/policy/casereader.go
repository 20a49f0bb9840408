package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sreg-project/sreg/internal/spelling"
)

// What a test file may cost, whoever wrote it.
const (
	maxFile      = 16 << 20 // bytes
	maxFileNodes = 1 << 20  // values, with aliases written out
	maxFileDepth = 32       // mappings and lists within each other
)

// caseReader turns the nodes of a test file into values, and reports what does not fit. It reads on
// after a mistake, so that all are found at once.
type caseReader struct {
	mistakes []FileMistake
	nodes    int
	open     []*yaml.Node // what is being read: an alias to one of these has no end
	gaveUp   bool
}

// parseYAML parses one document; an empty one is nil.
func parseYAML(content []byte) (*yaml.Node, *FileMistake) {
	if len(content) > maxFile {
		return nil, &FileMistake{Line: 1, Message: fmt.Sprintf("the file is over %d bytes", maxFile)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, yamlMistake(err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, &FileMistake{Line: second.Line, Column: second.Column, Message: "want one document, got a second one after ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlMistake(err)
	}
	return document.Content[0], nil
}

// yamlLine finds the line in an error of the YAML package, which has no field for it.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)`)

func yamlMistake(err error) *FileMistake {
	found := yamlLine.FindStringSubmatch(err.Error())
	line, convErr := strconv.Atoi(found[1])
	if convErr != nil {
		line = 1
	}
	return &FileMistake{Line: line, Message: "not valid YAML: " + found[2]}
}

func (r *caseReader) report(n *yaml.Node, key, message string) {
	r.mistakes = append(r.mistakes, FileMistake{Line: n.Line, Column: n.Column, Key: key, Message: message})
}

// enter is called with each value before it is read: it follows an alias, and refuses what has no end.
// The value is to be left if it is ok.
func (r *caseReader) enter(n *yaml.Node, key string) (*yaml.Node, bool) {
	if r.gaveUp {
		return nil, false
	}
	if r.nodes++; r.nodes > maxFileNodes {
		return r.giveUp(n, key, fmt.Sprintf("the file holds over %d values, aliases written out", maxFileNodes))
	}
	if len(r.open) >= maxFileDepth {
		return r.giveUp(n, key, fmt.Sprintf("nested deeper than %d levels", maxFileDepth))
	}
	if n.Kind == yaml.AliasNode {
		if slices.Contains(r.open, n.Alias) {
			return r.giveUp(n, key, "the alias *"+n.Value+" contains itself")
		}
		n = n.Alias
	}
	r.open = append(r.open, n)
	return n, true
}

func (r *caseReader) leave() { r.open = r.open[:len(r.open)-1] }

func (r *caseReader) giveUp(n *yaml.Node, key, message string) (*yaml.Node, bool) {
	r.report(n, key, message)
	r.gaveUp = true
	return nil, false
}

// reads is how the values of a mapping's keys are read.
type reads map[string]func(n *yaml.Node, key string)

// mapping reads every key of a mapping that is known, and reports the others and what is required and
// absent.
func (r *caseReader) mapping(n *yaml.Node, key string, known reads, required ...string) {
	n, ok := r.enter(n, key)
	if !ok {
		return
	}
	defer r.leave()
	if n.Kind != yaml.MappingNode {
		r.report(n, key, "want a mapping, got "+showNode(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		below := joinKey(key, name.Value)
		read := known[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode || name.ShortTag() == "!!merge":
			r.report(name, key, "want a plain name as key")
		case read == nil:
			r.report(name, below, unknownKey(key, name.Value, known))
		case seen[name.Value]:
			r.report(name, below, "given twice")
		default:
			read(value, below)
		}
		seen[name.Value] = true
	}
	for _, name := range required {
		if !seen[name] {
			r.report(n, joinKey(key, name), "missing")
		}
	}
}

func unknownKey(key, name string, known reads) string {
	names := slices.Sorted(maps.Keys(known))
	if near, ok := spelling.Nearest(name, names); ok {
		return "unknown key, did you mean " + joinKey(key, near) + "?"
	}
	return "unknown key, known are " + strings.Join(names, ", ")
}

func joinKey(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// list reads every item of a list.
func (r *caseReader) list(n *yaml.Node, key string, item func(n *yaml.Node, key string)) {
	n, ok := r.enter(n, key)
	if !ok {
		return
	}
	defer r.leave()
	if n.Kind != yaml.SequenceNode {
		r.report(n, key, "want a list, got "+showNode(n))
		return
	}
	for i, value := range n.Content {
		item(value, fmt.Sprintf("%s[%d]", key, i))
	}
}

// text reads a text; a number or a date stands for itself as it is written.
func (r *caseReader) text(n *yaml.Node, key string) string {
	n, ok := r.enter(n, key)
	if !ok {
		return ""
	}
	defer r.leave()
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || n.ShortTag() == "!!binary" {
		r.report(n, key, "want a text, got "+showNode(n))
		return ""
	}
	return n.Value
}

func (r *caseReader) textInto(into *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) { *into = r.text(n, key) }
}

func (r *caseReader) textsInto(into *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		*into = []string{}
		r.list(n, key, func(n *yaml.Node, key string) { *into = append(*into, r.text(n, key)) })
	}
}

func (r *caseReader) number(n *yaml.Node, key string) int64 {
	n, ok := r.enter(n, key)
	if !ok {
		return 0
	}
	defer r.leave()
	number, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || number < 0 {
		r.report(n, key, "want a whole number, got "+showNode(n))
		return 0
	}
	return number
}

// word reads a text that is one of several.
func (r *caseReader) word(n *yaml.Node, key string, words ...string) string {
	before := len(r.mistakes)
	text := r.text(n, key)
	if len(r.mistakes) > before || slices.Contains(words, text) {
		return text
	}
	message := fmt.Sprintf("want %s, got %s", strings.Join(words, ", "), showText(text))
	if near, ok := spelling.Nearest(text, words); ok {
		message = fmt.Sprintf("unknown %s, did you mean %s?", showText(text), near)
	}
	r.report(n, key, message)
	return ""
}

// parsed reads a text that a parser takes.
func parsed[T any](r *caseReader, parse func(string) (T, error), into *T) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		before := len(r.mistakes)
		text := r.text(n, key)
		if len(r.mistakes) > before || r.gaveUp {
			return
		}
		v, err := parse(text)
		if err != nil {
			r.report(n, key, err.Error())
			return
		}
		*into = v
	}
}

// anything reads a value as JSON would hold it: that is how claims come.
func (r *caseReader) anything(n *yaml.Node, key string) any {
	n, ok := r.enter(n, key)
	if !ok {
		return nil
	}
	defer r.leave()
	switch n.Kind {
	case yaml.MappingNode:
		values := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			values[name] = r.anything(n.Content[i+1], joinKey(key, name))
		}
		return values
	case yaml.SequenceNode:
		values := make([]any, len(n.Content))
		for i, item := range n.Content {
			values[i] = r.anything(item, fmt.Sprintf("%s[%d]", key, i))
		}
		return values
	}
	return r.scalar(n, key)
}

func (r *caseReader) scalar(n *yaml.Node, key string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	case "!!int", "!!float":
		var f float64
		if err := n.Decode(&f); err != nil {
			r.report(n, key, "want a number, got "+showText(n.Value))
		}
		return f
	}
	return n.Value
}

func showNode(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return showText(n.Value)
}

// showText shows a text in quotes, and only its beginning if it is long.
func showText(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		text = string(runes[:80]) + "..."
	}
	return strconv.Quote(text)
}
