package document

import (
	"bytes"
	"strings"
)

// Within finds a place in the text of a scalar in the document around it, in which the scalar begins at
// start. It is exact for a text in one line, with or without quotes, and in a block, but for one that gives its indentation
// as a number; in three quotes of TOML it is the line alone. It is not ok if the document is not known.
func Within(document []byte, start, inside Position) (Position, bool) {
	lines := bytes.Split(document, []byte("\n"))
	if start.Line < 1 || start.Line > len(lines) || start.Column < 1 {
		return Position{}, false
	}
	first := []rune(strings.TrimSuffix(string(lines[start.Line-1]), "\r"))
	if start.Line == 1 {
		first = []rune(strings.TrimPrefix(string(first), "\ufeff"))
	}
	if start.Column > len(first) {
		return start, true
	}
	raw := first[start.Column-1:]
	switch {
	case raw[0] == '&' || raw[0] == '!' || raw[0] == '*': // an anchor, a tag, an alias: the text is elsewhere
		return start, true
	case raw[0] == '|' || raw[0] == '>':
		return withinBlock(lines[start.Line:], start.Line+1, string(raw), inside), true
	case strings.HasPrefix(string(raw), `"""`) || strings.HasPrefix(string(raw), "'''"): // several lines in TOML
		if strings.TrimSpace(string(raw[3:])) == "" {
			inside.Line++ // the text begins in the next line
		}
		return Position{Line: start.Line + inside.Line - 1}, true
	case inside.Line > 1:
		return start, true // a text over several lines
	case raw[0] == '"' || raw[0] == '\'':
		return Position{start.Line, start.Column + 1 + quotedWidth(raw[1:], raw[0], inside.Column-1)}, true
	}
	return Position{start.Line, start.Column + inside.Column - 1}, true
}

// withinBlock finds a place in a block of YAML, of which the lines behind its head are given, with the number of the first.
func withinBlock(lines [][]byte, first int, head string, inside Position) Position {
	if strings.ContainsAny(strings.Fields(head)[0], "123456789") {
		return Position{Line: first + inside.Line - 1} // its indentation is a number, which counts from what is around it
	}
	indent := -1
	at := Position{Line: 1, Column: 1} // in the text, of the line that is looked at
	found := Position{Line: first}
	for i, raw := range lines {
		line := []rune(strings.TrimRight(string(raw), "\r"))
		blank := strings.TrimSpace(string(line)) == ""
		begins := indentOf(line)
		if indent < 0 && !blank {
			indent = begins
		}
		if !blank && begins < indent || at.Line > inside.Line || at.Line == inside.Line && at.Column > inside.Column {
			break // it ended before
		}
		found = Position{Line: first + i, Column: max(indent, 0) + inside.Column - at.Column + 1}
		if head[0] == '>' && !blank && begins == indent && i+1 < len(lines) && folds(lines[i+1], indent) {
			at.Column += len(line) - indent + 1 // the line break is a space, or the empty line behind it is the break
			continue
		}
		at = Position{Line: at.Line + 1, Column: 1}
	}
	return found
}

// folds says that the break before a line of a folded block is none in its text.
func folds(line []byte, indent int) bool {
	return strings.TrimSpace(string(line)) == "" || indentOf([]rune(string(line))) == indent
}

// indentOf is how many spaces a line begins with.
func indentOf(line []rune) int {
	return len(line) - len([]rune(strings.TrimLeft(string(line), " ")))
}

// escapes are how many characters follow the one after a backslash.
var escapes = map[rune]int{'x': 2, 'u': 4, 'U': 8}

// quotedWidth is how many characters of a quoted text hold its first n.
func quotedWidth(raw []rune, quote rune, n int) int {
	at := 0
	for ; n > 0 && at < len(raw); n-- {
		switch {
		case raw[at] == '\\' && quote == '"' && at+1 < len(raw):
			at += 2 + escapes[raw[at+1]]
		case raw[at] == quote && quote == '\'' && at+1 < len(raw) && raw[at+1] == quote:
			at += 2
		default:
			at++
		}
	}
	return min(at, len(raw))
}
