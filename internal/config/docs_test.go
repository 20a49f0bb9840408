package config

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	docsFile  = "../../docs/configuration.md"
	docsBegin = "<!-- begin of the generated part: go test ./internal/config -run TestDocs -update -->\n"
	docsEnd   = "<!-- end of the generated part -->\n"
)

// TestDocs keeps the page about the configuration true to the structs.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), docsBegin)
	old, after, ends := strings.Cut(rest, docsEnd)
	if !begins || !ends {
		t.Fatalf("%s has no generated part between %q and %q", docsFile, docsBegin, docsEnd)
	}
	fresh, err := reference()
	if err != nil {
		t.Fatal(err)
	}
	fresh = "\n" + fresh
	if old == fresh {
		return
	}
	if !*update {
		t.Fatalf("%s is not fresh: go test ./internal/config -run TestDocs -update", docsFile)
	}
	if err := os.WriteFile(docsFile, []byte(before+docsBegin+fresh+docsEnd+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestExamplesInDocsAreValid loads every YAML block and every variable that the
// pages show. A block that begins with another file's name is none of ours. A hash that pages show is none,
// so that nobody who copies it can be signed in as; here it is one.
func TestExamplesInDocsAreValid(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	checkExamples(t, string(page))
	authentication, err := os.ReadFile("../../docs/authentication.md")
	if err != nil {
		t.Fatal(err)
	}
	checkExamples(t, string(authentication))
	variables := regexp.MustCompile("`(SREG_[A-Z0-9_]+=[^`]+)`").FindAllStringSubmatch(string(page), -1)
	if len(variables) == 0 {
		t.Error("found no variable")
	}
	for _, v := range variables {
		entry := strings.ReplaceAll(v[1], "'", "") // as a shell would
		if _, _, err := Load(Options{Environ: []string{entry}}); err != nil {
			t.Errorf("%s: %v", entry, err)
		}
	}
}

func checkExamples(t *testing.T, page string) {
	t.Helper()
	blocks := strings.Split(page, "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Error("found no example")
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		example = strings.ReplaceAll(example, "$...$...", "$c2FsdHNhbHRzYWx0c2FsdA$JHP+3w2PUJ5VQtxDHCjdoAAEC+JztcwU/LWpmtUl7XQ")
		if strings.HasPrefix(example, "# ") && !strings.HasPrefix(example, "# sreg.yaml") {
			continue
		}
		if _, _, err := Load(Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", example)}}); err != nil {
			t.Errorf("%v in\n%s", err, example)
		}
	}
}

// reference is the reference of all keys as Markdown, a table for each section.
func reference() (string, error) {
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
	case secretText:
		return "[secret](#secrets)"
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
