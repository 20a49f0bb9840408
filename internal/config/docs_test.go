package config

import (
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
	fresh, err := Docs()
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
