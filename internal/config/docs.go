package config

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Docs is the reference of all keys as Markdown, a table for each section.
func Docs() (string, error) {
	var b strings.Builder
	for _, top := range rootShape().fields {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", top.key, top.doc)
		rows := &shape{kind: section, fields: []*shape{top}}
		var failed error
		rows.walk("", func(path string, s *shape) {
			row, err := s.row(path)
			if err != nil {
				failed = err
			}
			if s.kind != section || s.optional {
				b.WriteString(row)
			}
		})
		if failed != nil {
			return "", failed
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// row is the line of one key in its section's table.
func (s *shape) row(path string) (string, error) {
	standard := "required"
	switch v := s.defaultValue(); {
	case s.required:
	case s.optional:
		standard = "absent"
	case v == nil:
		standard = "empty"
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return "", fmt.Errorf("write default of %s: %w", path, err)
		}
		standard = code(strings.Trim(string(encoded), `"`))
	}
	meaning := strings.ReplaceAll(s.doc, "|", `\|`)
	return fmt.Sprintf("| %s | %s | %s | %s |\n", code(path), s.typeName(), standard, meaning), nil
}

func code(text string) string {
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// typeName is what a reader calls the type.
func (s *shape) typeName() string {
	switch s.kind {
	case section:
		return "section"
	case list:
		return "list of " + s.item.plural()
	case table:
		return "mapping of names to " + s.item.plural()
	case boolean:
		return "`true` or `false`"
	case integer, number:
		return s.expectsNumber()
	case duration:
		return "duration"
	case size:
		return "size"
	default:
		return s.textName()
	}
}

func (s *shape) textName() string {
	if len(s.enum) > 0 {
		return quoted(s.enum)
	}
	return "text"
}

func (s *shape) plural() string {
	switch {
	case s.short != "":
		return "texts or sections"
	case s.kind == section:
		return "sections"
	case len(s.enum) > 0:
		return quoted(s.enum)
	default:
		return "texts"
	}
}

func quoted(words []string) string {
	marked := make([]string, len(words))
	for i, w := range words {
		marked[i] = code(w)
	}
	return oneOf(marked)
}
