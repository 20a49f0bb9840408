package config

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML parses one TOML document. The decoder of the TOML package judges
// it, by all rules about duplicates; its parser then gives the positions.
func parseTOML(content []byte) (*node, error) {
	var judged map[string]any
	if err := toml.Unmarshal(content, &judged); err != nil {
		return nil, tomlError(err)
	}
	r := &tomlReader{locator: locator{content: content}}
	r.parser.Reset(content)
	root := &node{kind: mappingNode, at: position{1, 1}}
	current := root
	for r.parser.NextExpression() {
		expression := r.parser.Expression()
		if expression.Kind == unstable.KeyValue {
			if err := r.assign(current, expression); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		if current, err = r.openTable(root, expression); err != nil {
			return nil, err
		}
	}
	if err := r.parser.Error(); err != nil {
		return nil, tomlError(err)
	}
	return root, nil
}

func tomlError(err error) error {
	failure := &syntaxError{at: position{line: 1}, problem: "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
	if decode := (*toml.DecodeError)(nil); errors.As(err, &decode) {
		failure.at.line, failure.at.column = decode.Position()
	}
	return failure
}

type tomlReader struct {
	budget
	locator
	parser unstable.Parser
}

func (r *tomlReader) position(n *unstable.Node) position {
	return r.at(int(n.Raw.Offset))
}

// openTable finds or makes the mapping of a [table] or [[list item]].
func (r *tomlReader) openTable(root *node, expression *unstable.Node) (*node, error) {
	current := root
	keys := expression.Key()
	for keys.Next() {
		key := keys.Node()
		at := r.position(key)
		if err := r.enter(at); err != nil {
			return nil, err
		}
		r.leave()
		if keys.IsLast() && expression.Kind == unstable.ArrayTable {
			list := child(current, string(key.Data), listNode, at)
			item := &node{kind: mappingNode, at: at}
			list.items = append(list.items, item)
			return item, nil
		}
		current = lastItem(child(current, string(key.Data), mappingNode, at))
	}
	return current, nil
}

// assign puts the value of key = value, where the key may be dotted.
func (r *tomlReader) assign(into *node, expression *unstable.Node) error {
	keys := expression.Key()
	for keys.Next() {
		key := keys.Node()
		at := r.position(key)
		if !keys.IsLast() {
			into = child(into, string(key.Data), mappingNode, at)
			continue
		}
		value, err := r.read(expression.Value(), at)
		if err != nil {
			return err
		}
		into.pairs = append(into.pairs, pair{key: string(key.Data), at: at, value: value})
	}
	return nil
}

// child finds the value of a key in a mapping, or makes an empty one of a kind.
func child(of *node, key string, kind nodeKind, at position) *node {
	for _, p := range of.pairs {
		if p.key == key {
			return p.value
		}
	}
	n := &node{kind: kind, at: at}
	of.pairs = append(of.pairs, pair{key: key, at: at, value: n})
	return n
}

// lastItem is what [list.table] belongs to: the item that was begun last.
func lastItem(n *node) *node {
	if n.kind == listNode && len(n.items) > 0 {
		return n.items[len(n.items)-1]
	}
	return n
}

// read turns a value into a node. Lists know no position of their own: they
// stand where their key does.
func (r *tomlReader) read(from *unstable.Node, keyAt position) (*node, error) {
	at := keyAt
	if from.Raw.Length > 0 {
		at = r.position(from)
	}
	if err := r.enter(at); err != nil {
		return nil, err
	}
	defer r.leave()
	children := from.Children()
	switch from.Kind {
	case unstable.Array:
		n := &node{kind: listNode, at: at}
		for children.Next() {
			item, err := r.read(children.Node(), at)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		return n, nil
	case unstable.InlineTable:
		n := &node{kind: mappingNode, at: at}
		for children.Next() {
			if err := r.assign(n, children.Node()); err != nil {
				return nil, err
			}
		}
		return n, nil
	default:
		return &node{kind: scalarNode, at: at, text: string(from.Data), value: tomlScalar(from)}, nil
	}
}

func tomlScalar(from *unstable.Node) any {
	text := string(from.Data)
	switch from.Kind {
	case unstable.String:
		return text
	case unstable.Bool:
		return text == "true"
	case unstable.Integer:
		if whole, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64); err == nil {
			return whole
		}
		return math.Inf(1)
	case unstable.Float:
		number, _ := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64) // out of range is infinite
		return number
	default:
		return otherScalar("a date")
	}
}
