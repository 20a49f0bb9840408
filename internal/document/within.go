package document

import (
	"bytes"
	"strings"
)

// Within finds a place in the text of a scalar in the document around it, in which the scalar begins at
// start. It is exact for a text in one line, with or without quotes; in a block it is the line alone. It
// is not ok if the document is not known.
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
	case raw[0] == '|':
		return Position{Line: start.Line + inside.Line}, true
	case raw[0] == '>':
		return Position{Line: start.Line + 1}, true
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
