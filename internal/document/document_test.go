package document

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var some = Limits{Bytes: 1 << 16, Values: 1000}

func TestWhatADocumentMayCost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ path, content, want string }{
		"bytes":                   {"a.yaml", strings.Repeat("#", some.Bytes+1), "0:0: the file is over 65536 bytes"},
		"values":                  {"a.json", "[" + strings.Repeat("1,", some.Values) + "1]", "1:2000: the file holds over 1000 values, aliases written out"},
		"aliases written out":     {"a.yaml", "- &a [" + strings.Repeat("x,", 40) + "]\n" + strings.Repeat("- *a\n", 40), "1:71: the file holds over 1000 values, aliases written out"},
		"levels":                  {"a.toml", "a = " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "1:1: nested deeper than 64 levels"},
		"an alias without an end": {"a.yml", "a: &a\n  b: [*a]\n", "2:7: the alias *a contains itself"},
		"bytes that are no text":  {"a.yaml", "a: \xff\n", "1:4: the file is not UTF-8 text"},
		"another extension":       {"a.ini", "", "0:0: want a file that ends in .yaml, .yml, .toml or .json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tc.path, []byte(tc.content), some)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v, want a *SyntaxError", err)
			}
			if got := fmt.Sprintf("%d:%d: %s", syntax.At.Line, syntax.At.Column, syntax.Problem); got != tc.want {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestAKeyGivenTwiceIsReportedAndTheFirstOneCounts(t *testing.T) {
	t.Parallel()
	for path, content := range map[string]string{"a.yaml": "a: 1\nb: 2\na: 3\n", "a.json": "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}"} {
		n, err := Parse(path, []byte(content), some)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range n.Unique("x", func(at Position, key, message string) { got += fmt.Sprintf("%d %s %s; ", at.Line, key, message) }) {
			got += fmt.Sprintf("%s=%s ", p.Key, p.Value.Show())
		}
		if want := "3 x.a given twice, first in line 1; a=1 b=2 "; got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// lineBreaks are what YAML takes for the end of a line.
var lineBreaks = strings.NewReplacer("\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// FuzzParse parses documents of each format: nothing panics, and every position is in the document.
func FuzzParse(f *testing.F) {
	for i := range Extensions {
		f.Add(i, []byte("a: {b: [1, x, ~]}\nc: &d |\n  e\nf: *d\n"))
		f.Add(i, []byte("a = 1\n[b.c]\nd = [1.5, '''\nx''']\n[[e]]\n"))
		f.Add(i, []byte("{\"a\": [1, {\"b\": \"\\u0041\"}],\n\"c\": null}"))
	}
	f.Fuzz(func(t *testing.T, extension int, content []byte) {
		n, err := Parse("a"+Extensions[uint(extension)%uint(len(Extensions))], content, some)
		lines := 1 + strings.Count(lineBreaks.Replace(string(content)), "\n")
		var inside func(n *Node)
		inside = func(n *Node) {
			if n.At.Line < 1 || n.At.Line > lines+1 || n.At.Column < 1 {
				t.Errorf("got a value at %v in %d lines", n.At, lines)
			}
			for _, p := range n.Pairs {
				inside(p.Value)
			}
			for _, item := range n.Items {
				inside(item)
			}
		}
		if err == nil {
			inside(n)
		} else if syntax := (*SyntaxError)(nil); !errors.As(err, &syntax) {
			t.Errorf("got %v, want a *SyntaxError", err)
		}
	})
}
