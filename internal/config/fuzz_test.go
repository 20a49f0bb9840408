package config

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad gives documents to the loader: it never panics, points only to
// places that exist, and accepts nothing that the schema refuses.
func FuzzLoad(f *testing.F) {
	names := []string{"sreg.yaml", "sreg.toml", "sreg.json"}
	paths, err := os.ReadDir(casesFolder)
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range paths {
		archive, err := txtar.ParseFile(casesFolder + "/" + entry.Name())
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			for format := range names {
				f.Add(uint8(format), file.Data)
			}
		}
	}
	schema := compiledSchema(f)
	f.Fuzz(func(t *testing.T, format uint8, content []byte) {
		name := names[int(format)%len(names)]
		l := newLoader()
		l.addDocument(name, content)
		_, err := l.finish(Sources{given: l.given})
		if err == nil {
			// A byte order mark is taken off by the loader alone.
			if err := judgeDocument(schema, name, bytes.TrimPrefix(content, []byte("\ufeff"))); err != nil {
				t.Errorf("the loader accepts what the schema refuses: %v", err)
			}
			return
		}
		var mistakes *Error
		if !errors.As(err, &mistakes) {
			t.Fatalf("got %v, want an *Error", err)
		}
		for _, p := range mistakes.Problems {
			if lines := bytes.Count(content, []byte("\n")) + 2; p.Origin.Line > lines {
				t.Errorf("%s points behind the end of %d lines", p, lines)
			}
		}
	})
}
