package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sreg-project/sreg/internal/document"
	"github.com/sreg-project/sreg/internal/spelling"
)

// Mistake is what is wrong with a file, and where. Lines and columns begin at 1; a column of 0 is unknown.
type Mistake struct {
	Line, Column int
	Key          string // cases[3].request.action
	Message      string
}

// limits are what one file of cases may cost.
var limits = document.Limits{Bytes: 16 << 20, Values: 1 << 20}

// reader turns the nodes of a file into values, and reports what does not fit. It reads on after a mistake,
// so that all are found at once.
type reader struct {
	mistakes []Mistake
}

func (r *reader) report(at document.Position, key, message string) {
	r.mistakes = append(r.mistakes, Mistake{Line: max(1, at.Line), Column: at.Column, Key: key, Message: message})
}

func (r *reader) mismatch(n *document.Node, key, want string) {
	r.report(n.At, key, "want "+want+", got "+n.Show()+n.Hint())
}

// fields are how the values of a mapping's keys are read.
type fields map[string]func(n *document.Node, key string)

// mapping reads every key of a mapping that is known, and reports the others and what is required and
// absent.
func (r *reader) mapping(n *document.Node, key string, known fields, required ...string) {
	if n.Kind != document.Mapping {
		r.mismatch(n, key, "a mapping")
		return
	}
	for _, p := range n.Unique(key, r.report) {
		below := document.Join(key, p.Key)
		if read := known[p.Key]; read != nil {
			read(p.Value, below)
			continue
		}
		names := slices.Sorted(maps.Keys(known))
		message, ok := document.NearestKey(key, p.Key, names)
		if !ok {
			message = "unknown key, known are " + strings.Join(names, ", ") + document.KeyHint(p.Key)
		}
		r.report(p.At, below, message)
	}
	for _, name := range required {
		if !n.Has(name) {
			r.report(n.At, document.Join(key, name), "missing")
		}
	}
}

// list reads every item of a list.
func (r *reader) list(n *document.Node, key string, item func(n *document.Node, key string)) {
	if n.Kind != document.List {
		r.mismatch(n, key, "a list")
		return
	}
	for i, value := range n.Items {
		item(value, fmt.Sprintf("%s[%d]", key, i))
	}
}

// text reads a text; a number or a date is taken as it is written.
func (r *reader) text(n *document.Node, key string) (string, bool) {
	if _, other := n.Value.(document.Other); n.Kind != document.Scalar || n.Null() || other {
		r.mismatch(n, key, "a text")
		return "", false
	}
	return n.Text, true
}

func (r *reader) textInto(into *string) func(*document.Node, string) {
	return func(n *document.Node, key string) { *into, _ = r.text(n, key) }
}

func (r *reader) textsInto(into *[]string) func(*document.Node, string) {
	return func(n *document.Node, key string) {
		*into = []string{}
		r.list(n, key, func(n *document.Node, key string) {
			text, _ := r.text(n, key)
			*into = append(*into, text)
		})
	}
}

// textMap reads a mapping of any keys to texts.
func (r *reader) textMap(n *document.Node, key string) map[string]string {
	if n.Kind != document.Mapping {
		r.mismatch(n, key, "a mapping")
		return nil
	}
	texts := map[string]string{}
	for _, p := range n.Unique(key, r.report) {
		texts[p.Key], _ = r.text(p.Value, document.Join(key, p.Key))
	}
	return texts
}

func (r *reader) number(n *document.Node, key string) int64 {
	number, err := strconv.ParseInt(n.Text, 10, 64)
	if n.Kind != document.Scalar || err != nil || number < 0 {
		r.mismatch(n, key, "a whole number")
		return 0
	}
	return number
}

// word reads a text that is one of several; it is empty if it is none of them.
func (r *reader) word(n *document.Node, key string, words ...string) string {
	text, ok := r.text(n, key)
	if !ok || slices.Contains(words, text) {
		return text
	}
	if hint := spelling.Hint(text, words); hint != "" {
		r.report(n.At, key, "unknown "+document.Quote(text)+hint)
	} else {
		r.mismatch(n, key, strings.Join(words, ", "))
	}
	return ""
}

// parsed reads a text that a parser takes.
func parsed[T any](r *reader, parse func(string) (T, error), into *T) func(*document.Node, string) {
	return func(n *document.Node, key string) {
		text, ok := r.text(n, key)
		if !ok {
			return
		}
		v, err := parse(text)
		if err != nil {
			r.report(n.At, key, err.Error())
			return
		}
		*into = v
	}
}

// object reads a mapping of any keys as JSON is decoded: all numbers are float64, as in claims.
func (r *reader) object(n *document.Node, key string) map[string]any {
	if n.Kind != document.Mapping {
		r.mismatch(n, key, "a mapping")
		return nil
	}
	values := map[string]any{}
	for _, p := range n.Unique(key, r.report) {
		values[p.Key] = r.anything(p.Value, document.Join(key, p.Key))
	}
	return values
}

func (r *reader) anything(n *document.Node, key string) any {
	switch n.Kind {
	case document.Mapping:
		return r.object(n, key)
	case document.List:
		values := make([]any, len(n.Items))
		for i, item := range n.Items {
			values[i] = r.anything(item, fmt.Sprintf("%s[%d]", key, i))
		}
		return values
	}
	switch v := n.Value.(type) {
	case int64:
		return float64(v)
	case document.Other:
		return n.Text
	default:
		return v
	}
}
