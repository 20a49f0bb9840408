package document

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// yamlParts takes a line apart: its indentation, the dashes of its list items, its key with the colon, and its value.
var yamlParts = regexp.MustCompile(`^( *)((?:- +)*)((?:[\w.-]+|"[^"]*"|'[^']*'):(?: +|$))?(.*)$`)

var (
	quotedYAML = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')(?:\s+#.*)?$`)
	comment    = regexp.MustCompile(`^([^'"]*?)(?:^|\s)#.*$`) // which no quote stands before

	// withoutColon is a key, or one with a value, without the colon behind it.
	withoutColon = regexp.MustCompile(`^\w+(?: |$)`)
)

// yamlText is a line of a document without its comment, taken apart.
type yamlText struct {
	indent     int
	item       bool // it begins an item of a list
	column     int  // of its key, from 0
	key, value string
}

func splitYAML(line string) yamlText {
	parts := yamlParts.FindStringSubmatch(strings.TrimRight(comment.ReplaceAllString(strings.TrimRight(line, "\r\n"), "$1"), " "))
	indent := len(parts[1])
	return yamlText{indent, parts[2] != "", indent + len(parts[2]), strings.TrimRight(parts[3], " "), parts[4]}
}

func (l yamlText) empty() bool { return l.key+l.value == "" }

// yamlHint is what to write in the last of these lines, in which the YAML package found the problem; empty if that is not
// known. It shows no value: one may be a password.
func yamlHint(lines []string, problem string) string {
	last := splitYAML(lines[len(lines)-1])
	value := last.value
	switch {
	case strings.Contains(problem, "begins here"):
		return "" // which says it
	case strings.HasPrefix(value, "\t"):
		return "write spaces"
	case value != "" && strings.ContainsAny(value[:1], "@`%*"):
		return "a text that begins with " + value[:1] + " stands in quotes: write " + last.quoted(value)
	case strings.Contains(problem, "expected ':'"):
		return "write a colon and a space behind the key"
	case strings.Contains(problem, "expected ',' or"):
		return bracketHint(value)
	case value != "" && strings.ContainsAny(value[:1], `"'`) && !quotedYAML.MatchString(value):
		return "the text ends at its second quote: write " + last.quoted(withoutItsQuotes(value))
	case last.key != "" && strings.Contains(value, ": ") && !quotedYAML.MatchString(value):
		return "a text with a colon stands in quotes: write " + last.quoted(value) + ", or each key in a line of its own"
	}
	return indentationHint(lines)
}

// bracketHint is about a value in brackets that is wrong.
func bracketHint(value string) string {
	for _, bracket := range []string{"{}", "[]"} {
		if strings.Count(value, bracket[:1]) > strings.Count(value, bracket[1:]) {
			return "its " + bracket[:1] + " needs a " + bracket[1:] + " behind the last value"
		}
	}
	return "a text with a colon, a comma, a bracket or a quote stands in quotes"
}

// quoted is how the line is written with a text in those quotes that the text does not contain, or below its key if it has
// both.
func (l yamlText) quoted(text string) string {
	before := strings.TrimLeft(l.key+" ", " ")
	switch hasDouble := strings.ContainsAny(text, `"\`); {
	case hasDouble && strings.Contains(text, "'"):
		return before + "| and the text in the next line, further in"
	case hasDouble:
		return before + "'...'"
	}
	return before + `"..."`
}

// opensText is a quote where a text in an expression begins.
var opensText = regexp.MustCompile(`^$|^[^'"]*$|^(?:[^'"]*[^'"\w])?['"]`)

// withoutItsQuotes is a text without the quotes that were meant to be around all of it: what they leave is still a text
// that quotes begin and end.
func withoutItsQuotes(text string) string {
	quote := text[:1]
	inner := strings.TrimSuffix(text[1:], quote)
	if len(inner) < len(text)-1 && opensText.MatchString(inner) {
		return inner
	}
	return text
}

// place is where a key or an item of a list begins, which others may stand beside.
type place struct {
	line, column int
	item         bool
	name         string
}

// indentationHint is where the last of the lines begins if it is to stand beside one before it: that whose column is
// nearest.
func indentationHint(lines []string) string {
	last := splitYAML(lines[len(lines)-1])
	for n := len(lines) - 1; n > 0; n-- {
		if before := splitYAML(lines[n-1]); !before.empty() {
			if before.key == "" && !before.item && before.indent <= last.indent && withoutColon.MatchString(before.value) {
				return fmt.Sprintf("write a colon behind the key in line %d", n)
			}
			break
		}
	}
	var nearest *place
	for _, p := range placesIn(lines[:len(lines)-1]) {
		if p.item == last.item && (nearest == nil || distance(p.column, last.indent) <= distance(nearest.column, last.indent)) {
			nearest = &p
		}
	}
	if nearest == nil || nearest.column == last.indent {
		return ""
	}
	return fmt.Sprintf("check the indentation: this line begins in column %d, %s in line %d in column %d", last.indent+1, nearest.name, nearest.line, nearest.column+1)
}

// placesIn are those that the line behind these may stand beside, from the outermost.
func placesIn(lines []string) []place {
	var open []place
	block := -1 // the indentation that ends the text of a block
	for i, text := range lines {
		line := splitYAML(text)
		if line.empty() || block >= 0 && line.indent > block {
			continue
		}
		block = -1
		if strings.HasPrefix(line.value, "|") || strings.HasPrefix(line.value, ">") {
			block = line.indent
		}
		open = slices.DeleteFunc(open, func(p place) bool {
			return p.column > line.indent || p.column == line.indent && p.item == line.item
		})
		if line.item {
			open = append(open, place{i + 1, line.indent, true, "the -"})
		}
		if line.key != "" {
			open = append(open, place{i + 1, line.column, false, line.key})
		}
	}
	return open
}

func distance(a, b int) int { return max(a-b, b-a) }

// glued is a key without the space behind its colon.
var glued = regexp.MustCompile(`^[\w-]+:[^\s/]`)

// Hint is what to write for a value of the wrong kind: a text that YAML takes for something else, or a key and its value
// that it takes for a text. It begins with a colon, or is empty.
func (n *Node) Hint() string {
	switch other, _ := n.Value.(Other); {
	case n.Kind == Scalar && strings.HasPrefix(string(other), "!"):
		return ": put it in quotes"
	case n.Kind == Scalar && glued.MatchString(n.Text):
		return ": write a space behind the colon"
	}
	return ""
}

// KeyHint is what to write for a key that is unknown, if it is a part of something else. It begins with a colon, or is empty.
func KeyHint(key string) string {
	switch {
	case glued.MatchString(key):
		return ": write a space behind the colon"
	case strings.ContainsAny(key, `'"= `):
		return ": a text with a colon stands in quotes"
	}
	return ""
}
