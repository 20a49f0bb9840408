package document

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
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
		return nil, yamlError(content, err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, &SyntaxError{At: Position{second.Line, second.Column}, Problem: "want one document, got a second one after ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(content, err)
	}
	root, err := (&yamlReader{budget: budget{limits: limits}, open: map[*yaml.Node]bool{}}).read(document.Content[0])
	if err == nil && root.Null() {
		return &Node{Kind: Mapping, At: root.At}, nil
	}
	return root, err
}

// yamlLine finds the line in an error of the YAML package, which has no field for it.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// The problems of the YAML package that are told in other words, and the one of a text that does not end: the package
// names the line in which it begins.
const (
	noToken     = "found character that cannot start any token"
	endOfStream = "found unexpected end of stream"
)

// yamlError says where a document is wrong. The package names the line where the mapping or the list around it begins, or
// the one before, so the line is looked for.
func yamlError(content []byte, err error) error {
	line, problem := yamlProblem(err)
	lines := bytes.SplitAfter(content, []byte("\n"))
	parse := func(n int) (line int, problem string) {
		decoder := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:n], nil)))
		for {
			var document yaml.Node
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				return 0, ""
			}
			if err != nil {
				return yamlProblem(err)
			}
		}
	}
	if problem != endOfStream {
		// The first lines that are wrong in the same way end with the one that is.
		line = 1 + sort.Search(len(lines)-1, func(n int) bool {
			_, same := parse(n + 1)
			return same == problem
		})
		// Behind a text that does not end where it should, the mistake is where that begins.
		if begins, before := parse(line - 1); before == endOfStream {
			line, problem = begins, "a text in quotes begins here and does not end in its line"
		}
	}
	switch {
	case problem == endOfStream:
		problem = "a text in quotes begins here and does not end"
	case problem == noToken && bytes.HasPrefix(bytes.TrimLeft(lines[min(line, len(lines))-1], " "), []byte("\t")):
		problem = "a tab stands where spaces are wanted"
	}
	problem = "not valid YAML: " + problem
	if hint := yamlHint(strings.SplitAfter(string(content), "\n")[:min(line, len(lines))], problem); hint != "" {
		problem += "; " + hint
	}
	return &SyntaxError{At: Position{Line: line}, Problem: problem}
}

// yamlProblem takes an error of the YAML package apart.
func yamlProblem(err error) (line int, problem string) {
	problem, _, _ = strings.Cut(err.Error(), "\n")
	found := yamlLine.FindStringSubmatch(problem)
	line, err = strconv.Atoi(found[1])
	if err != nil {
		line = 1
	}
	return line, found[2]
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
