package config

import (
	"bytes"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML parses one YAML document. Anchors and aliases are understood, as
// far as they end.
func parseYAML(content []byte) (*node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return &node{kind: mappingNode, at: position{1, 1}}, nil
	}
	if err != nil {
		return nil, yamlError(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, &syntaxError{at: position{second.Line, second.Column}, problem: "want one document, got a second one after ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	root, err := (&yamlReader{open: map[*yaml.Node]bool{}}).read(document.Content[0])
	if err == nil && root.kind == scalarNode && root.value == nil {
		return &node{kind: mappingNode, at: root.at}, nil
	}
	return root, err
}

// yamlLine finds the line in an error of the YAML package, which has no field for it.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

func yamlError(err error) error {
	at, problem := position{line: 1}, err.Error()
	first, _, _ := strings.Cut(problem, "\n")
	if found := yamlLine.FindStringSubmatch(first); found != nil {
		problem = found[2]
		if line, err := strconv.Atoi(found[1]); err == nil {
			at.line = line
		}
	}
	return &syntaxError{at: at, problem: "not valid YAML: " + problem}
}

// yamlReader turns nodes of the YAML package into ours.
type yamlReader struct {
	budget
	open map[*yaml.Node]bool // what is being read: an alias to one of these has no end
}

func (r *yamlReader) read(from *yaml.Node) (*node, error) {
	at := position{from.Line, from.Column}
	if err := r.enter(at); err != nil {
		return nil, err
	}
	defer r.leave()
	if from.Kind == yaml.AliasNode {
		if r.open[from.Alias] {
			return nil, &syntaxError{at: at, problem: "the alias *" + from.Value + " contains itself"}
		}
		n, err := r.read(from.Alias)
		if err != nil {
			return nil, err
		}
		n.at = at // a mistake in a value is shown where it is used
		return n, nil
	}
	r.open[from] = true
	defer delete(r.open, from)
	switch from.Kind {
	case yaml.MappingNode:
		return r.readMapping(from, at)
	case yaml.SequenceNode:
		n := &node{kind: listNode, at: at}
		for _, item := range from.Content {
			child, err := r.read(item)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
		return n, nil
	default:
		return &node{kind: scalarNode, at: at, text: from.Value, value: yamlScalar(from)}, nil
	}
}

func (r *yamlReader) readMapping(from *yaml.Node, at position) (*node, error) {
	n := &node{kind: mappingNode, at: at}
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		keyAt := position{key.Line, key.Column}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &syntaxError{at: keyAt, problem: "want a name as key, got a mapping or a list"}
		}
		if key.ShortTag() == "!!merge" {
			return nil, &syntaxError{at: keyAt, problem: "the merge key << is not understood; give a whole value an anchor instead"}
		}
		value, err := r.read(from.Content[i+1])
		if err != nil {
			return nil, err
		}
		n.pairs = append(n.pairs, pair{key: key.Value, at: keyAt, value: value})
	}
	return n, nil
}

// yamlScalar is the value by the rules of YAML: yes is a text, 0x10 a number.
func yamlScalar(from *yaml.Node) any {
	switch tag := from.ShortTag(); tag {
	case "!!str", "!!timestamp": // since YAML 1.2 a date is a text
		return from.Value
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		return yamlNumber(from)
	default:
		return otherScalar(tag)
	}
}

func yamlNumber(from *yaml.Node) any {
	var v any
	if err := from.Decode(&v); err != nil {
		return otherScalar(from.ShortTag())
	}
	switch v := v.(type) {
	case bool, float64, int64:
		return v
	case int:
		return int64(v)
	case uint64:
		return math.Inf(1) // larger than any key takes; the message shows the text
	default:
		return otherScalar(from.ShortTag())
	}
}
