package policy

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/policies.md")

const (
	docsFile  = "../../docs/policies.md"
	docsBegin = "<!-- begin of the generated part: go test ./internal/policy -run TestDocs -update -->\n"
	docsEnd   = "<!-- end of the generated part -->\n"
)

// TestDocsHaveEveryWord keeps the tables of words and functions true to the code.
func TestDocsHaveEveryWord(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(docsFile)
	must(t, err)
	before, rest, begins := strings.Cut(string(page), docsBegin)
	old, after, ends := strings.Cut(rest, docsEnd)
	if !begins || !ends {
		t.Fatalf("%s has no generated part between %q and %q", docsFile, docsBegin, docsEnd)
	}
	fresh := "\n" + tables()
	if old == fresh {
		return
	}
	if !*update {
		t.Fatalf("%s is not fresh: go test ./internal/policy -run TestDocs -update", docsFile)
	}
	must(t, os.WriteFile(docsFile, []byte(before+docsBegin+fresh+docsEnd+after), 0o600))
}

func tables() string {
	var b strings.Builder
	b.WriteString("### Words of access rules\n\n| word | type | meaning |\n|---|---|---|\n")
	for _, o := range []*objectType{identityWords, certificateWords, oidcWords, requestWords} {
		writeWords(&b, o)
	}
	b.WriteString("\n### Words of keep rules\n\n| word | type | meaning |\n|---|---|---|\n")
	writeWords(&b, imageWords)
	b.WriteString("\n### Words of versions\n\n| word | type | meaning |\n|---|---|---|\n")
	writeWords(&b, versionWords)
	for _, group := range []struct {
		title string
		list  []function
	}{{"Functions everywhere", functions}, {"Functions of access rules", accessFunctions}, {"Functions of keep rules", keepFunctions}} {
		fmt.Fprintf(&b, "\n### %s\n\n| function | meaning |\n|---|---|\n", group.title)
		for _, f := range group.list {
			fmt.Fprintf(&b, "| `%s` | %s |\n", f.use, f.doc)
		}
	}
	b.WriteString("\n### Actions\n\n")
	fmt.Fprintf(&b, "Asked: %s.\n\nNever asked: %s.\n\n", marked(ActionNames()), marked(neverAskedNames()))
	return b.String()
}

func writeWords(b *strings.Builder, o *objectType) {
	for _, f := range o.fields {
		fmt.Fprintf(b, "| `%s.%s` | %s | %s |\n", o.word, f.name, typeName(f.typ), f.doc)
	}
}

func neverAskedNames() []string {
	var names []string
	for _, a := range neverAsked {
		names = append(names, string(a))
	}
	return names
}

func marked(words []string) string {
	words = slices.Clone(words)
	for i, w := range words {
		words[i] = "`" + w + "`"
	}
	return strings.Join(words, ", ")
}
