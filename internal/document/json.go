package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ParseJSON parses one JSON document. The standard library finds its mistakes; it gives
// no positions of values, but how far it has read: they are found from that.
func ParseJSON(content []byte, limits Limits) (*Node, error) {
	var valid json.RawMessage
	if err := json.Unmarshal(content, &valid); err != nil {
		return nil, jsonError(content, err)
	}
	r := &jsonReader{budget: budget{limits: limits}, locator: locator{content: content}, decoder: json.NewDecoder(bytes.NewReader(content))}
	r.decoder.UseNumber()
	return r.read()
}

func jsonError(content []byte, err error) error {
	failure := &SyntaxError{At: Position{Line: 1}, Problem: "not valid JSON: " + err.Error()}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		// The offset is behind the byte that was one too many.
		failure.At = positionAt(content, int(syntax.Offset)-1)
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

func (r *jsonReader) position() Position {
	return r.at(r.start)
}

func (r *jsonReader) read() (*Node, error) {
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

func (r *jsonReader) readMapping(at Position) (*Node, error) {
	n := &Node{Kind: Mapping, At: at}
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
		n.Pairs = append(n.Pairs, Pair{Key: fmt.Sprint(key), At: keyAt, Value: value})
	}
	_, err := r.next()
	return n, err
}

func (r *jsonReader) readList(at Position) (*Node, error) {
	n := &Node{Kind: List, At: at}
	for r.decoder.More() {
		item, err := r.read()
		if err != nil {
			return nil, err
		}
		n.Items = append(n.Items, item)
	}
	_, err := r.next()
	return n, err
}

func jsonScalar(token json.Token, at Position) *Node {
	n := &Node{Kind: Scalar, At: at, Value: token, Text: fmt.Sprint(token)}
	number, ok := token.(json.Number)
	if !ok {
		return n
	}
	if !strings.ContainsAny(n.Text, ".eE") {
		if whole, err := number.Int64(); err == nil {
			n.Value = whole
			return n
		}
	}
	n.Value, _ = number.Float64() // out of range is infinite, which no key takes
	return n
}
