package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseJSON parses one JSON document. The standard library judges it; it gives
// no positions of values, but how far it has read: they are found from that.
func parseJSON(content []byte) (*node, error) {
	var judged json.RawMessage
	if err := json.Unmarshal(content, &judged); err != nil {
		return nil, jsonError(content, err)
	}
	r := &jsonReader{locator: locator{content: content}, decoder: json.NewDecoder(bytes.NewReader(content))}
	r.decoder.UseNumber()
	return r.read()
}

func jsonError(content []byte, err error) error {
	failure := &syntaxError{at: position{line: 1}, problem: "not valid JSON: " + err.Error()}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		// The offset is behind the byte that was one too many.
		failure.at = positionAt(content, int(syntax.Offset)-1)
	}
	return failure
}

type jsonReader struct {
	budget
	locator
	decoder *json.Decoder
	start   int // offset of the token that was read last
}

// next reads a token and remembers where it begins.
func (r *jsonReader) next() (json.Token, error) {
	from := int(r.decoder.InputOffset())
	rest := r.content[from:]
	r.start = from + len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
	return r.decoder.Token()
}

func (r *jsonReader) position() position {
	return r.at(r.start)
}

func (r *jsonReader) read() (*node, error) {
	token, err := r.next()
	if err != nil {
		return nil, err
	}
	at := r.position()
	if err := r.enter(at); err != nil {
		return nil, err
	}
	defer r.leave()
	switch token {
	case json.Delim('{'):
		return r.readMapping(at)
	case json.Delim('['):
		return r.readList(at)
	default:
		return jsonScalar(token, at), nil
	}
}

func (r *jsonReader) readMapping(at position) (*node, error) {
	n := &node{kind: mappingNode, at: at}
	for r.decoder.More() {
		key, err := r.next()
		if err != nil {
			return nil, err
		}
		keyAt := r.position()
		value, err := r.read()
		if err != nil {
			return nil, err
		}
		n.pairs = append(n.pairs, pair{key: fmt.Sprint(key), at: keyAt, value: value})
	}
	_, err := r.next()
	return n, err
}

func (r *jsonReader) readList(at position) (*node, error) {
	n := &node{kind: listNode, at: at}
	for r.decoder.More() {
		item, err := r.read()
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := r.next()
	return n, err
}

func jsonScalar(token json.Token, at position) *node {
	n := &node{kind: scalarNode, at: at, value: token, text: fmt.Sprint(token)}
	number, ok := token.(json.Number)
	if !ok {
		return n
	}
	if !strings.ContainsAny(n.text, ".eE") {
		if whole, err := number.Int64(); err == nil {
			n.value = whole
			return n
		}
	}
	n.value, _ = number.Float64() // out of range is infinite, which no key takes
	return n
}
