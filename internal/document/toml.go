package document

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML parses one TOML document. The decoder of the TOML package finds its
// mistakes, duplicates among them; its parser then gives the positions.
func parseTOML(content []byte, limits Limits) (*Node, error) {
	var valid map[string]any
	if err := toml.Unmarshal(content, &valid); err != nil {
		return nil, tomlError(err)
	}
	r := &tomlReader{budget: budget{limits: limits}, locator: locator{content: content}}
	r.parser.Reset(content)
	root := &Node{Kind: Mapping, At: Position{1, 1}}
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
	failure := &SyntaxError{At: Position{Line: 1}, Problem: "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
	if decode := (*toml.DecodeError)(nil); errors.As(err, &decode) {
		failure.At.Line, failure.At.Column = decode.Position()
	}
	return failure
}

type tomlReader struct {
	budget
	locator
	parser unstable.Parser
}

func (r *tomlReader) position(n *unstable.Node) Position {
	return r.at(int(n.Raw.Offset))
}

// openTable finds or makes the mapping of a [table] or [[list item]].
func (r *tomlReader) openTable(root *Node, expression *unstable.Node) (*Node, error) {
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
			list := child(current, string(key.Data), List, at)
			item := &Node{Kind: Mapping, At: at}
			list.Items = append(list.Items, item)
			return item, nil
		}
		current = lastItem(child(current, string(key.Data), Mapping, at))
	}
	return current, nil
}

// assign puts the value of key = value, where the key may be dotted.
func (r *tomlReader) assign(into *Node, expression *unstable.Node) error {
	keys := expression.Key()
	for keys.Next() {
		key := keys.Node()
		at := r.position(key)
		if !keys.IsLast() {
			into = child(into, string(key.Data), Mapping, at)
			continue
		}
		value, err := r.read(expression.Value(), at)
		if err != nil {
			return err
		}
		into.Pairs = append(into.Pairs, Pair{Key: string(key.Data), At: at, Value: value})
	}
	return nil
}

// child finds the value of a key in a mapping, or makes an empty one of a kind.
func child(of *Node, key string, kind Kind, at Position) *Node {
	for _, p := range of.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	n := &Node{Kind: kind, At: at}
	of.Pairs = append(of.Pairs, Pair{Key: key, At: at, Value: n})
	return n
}

// lastItem is what [list.table] belongs to: the item that was begun last.
func lastItem(n *Node) *Node {
	if n.Kind == List && len(n.Items) > 0 {
		return n.Items[len(n.Items)-1]
	}
	return n
}

// read turns a value into a node. The package gives lists no position: theirs is that of
// their key.
func (r *tomlReader) read(from *unstable.Node, keyAt Position) (*Node, error) {
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
		n := &Node{Kind: List, At: at}
		for children.Next() {
			item, err := r.read(children.Node(), at)
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, item)
		}
		return n, nil
	case unstable.InlineTable:
		n := &Node{Kind: Mapping, At: at}
		for children.Next() {
			if err := r.assign(n, children.Node()); err != nil {
				return nil, err
			}
		}
		return n, nil
	default:
		return &Node{Kind: Scalar, At: at, Text: string(from.Data), Value: tomlScalar(from)}, nil
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
		return Other("a date")
	}
}
