package document

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML parses one YAML document. An alias is replaced by what it names; one that contains itself is
// refused.
func parseYAML(content []byte, limits Limits) (*Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return &Node{Kind: Mapping, At: Position{1, 1}}, nil
	}
	if err != nil {
		return nil, yamlError(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, &SyntaxError{At: Position{second.Line, second.Column}, Problem: "want one document, got a second one after ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	root, err := (&yamlReader{budget: budget{limits: limits}, open: map[*yaml.Node]bool{}}).read(document.Content[0])
	if err == nil && root.Null() {
		return &Node{Kind: Mapping, At: root.At}, nil
	}
	return root, err
}

// yamlLine finds the line in an error of the YAML package, which has no field for it.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

func yamlError(err error) error {
	at, problem := Position{Line: 1}, err.Error()
	first, _, _ := strings.Cut(problem, "\n")
	if found := yamlLine.FindStringSubmatch(first); found != nil {
		problem = found[2]
		if line, err := strconv.Atoi(found[1]); err == nil {
			at.Line = line
		}
	}
	return &SyntaxError{At: at, Problem: "not valid YAML: " + problem}
}

// yamlReader turns nodes of the YAML package into ours.
type yamlReader struct {
	budget
	open map[*yaml.Node]bool // what is being read: an alias to one of these has no end
}

func (r *yamlReader) read(from *yaml.Node) (*Node, error) {
	at := Position{from.Line, from.Column}
	if err := r.enter(at); err != nil {
		return nil, err
	}
	defer r.leave()
	if from.Kind == yaml.AliasNode {
		if r.open[from.Alias] {
			return nil, &SyntaxError{At: at, Problem: "the alias *" + from.Value + " contains itself"}
		}
		n, err := r.read(from.Alias)
		if err != nil {
			return nil, err
		}
		n.At = at // a mistake in a value is shown where it is used
		return n, nil
	}
	r.open[from] = true
	defer delete(r.open, from)
	switch from.Kind {
	case yaml.MappingNode:
		return r.readMapping(from, at)
	case yaml.SequenceNode:
		n := &Node{Kind: List, At: at}
		for _, item := range from.Content {
			child, err := r.read(item)
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, child)
		}
		return n, nil
	default:
		return &Node{Kind: Scalar, At: at, Text: from.Value, Value: yamlScalar(from)}, nil
	}
}

func (r *yamlReader) readMapping(from *yaml.Node, at Position) (*Node, error) {
	n := &Node{Kind: Mapping, At: at}
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		keyAt := Position{key.Line, key.Column}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &SyntaxError{At: keyAt, Problem: "want a name as key, got a mapping or a list"}
		}
		if key.ShortTag() == "!!merge" {
			return nil, &SyntaxError{At: keyAt, Problem: "the merge key << is not understood; give a whole value an anchor instead"}
		}
		value, err := r.read(from.Content[i+1])
		if err != nil {
			return nil, err
		}
		n.Pairs = append(n.Pairs, Pair{Key: key.Value, At: keyAt, Value: value})
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
		return Other(tag)
	}
}

func yamlNumber(from *yaml.Node) any {
	var v any
	if err := from.Decode(&v); err != nil {
		return Other(from.ShortTag())
	}
	switch v := v.(type) {
	case bool, float64, int64:
		return v
	case int:
		return int64(v)
	case uint64:
		return float64(v)
	default:
		return Other(from.ShortTag())
	}
}
