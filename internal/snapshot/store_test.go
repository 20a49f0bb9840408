package snapshot

import (
	"os"
	"path/filepath"
	"testing"
)

// TestContentsTellVersionsOfFilesApart: also a file that cannot be read, and which of two files changed.
func TestContentsTellVersionsOfFilesApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b, none := write("a", "one"), write("b", "two"), filepath.Join(dir, "none")
	seen := map[[32]byte]string{}
	for name, files := range map[string][]string{
		"none": nil, "a": {a}, "b": {b}, "a and b": {a, b}, "b and a": {b, a}, "one that is not there": {none}, "a and that": {a, none}, "that and a": {none, a},
	} {
		sum := contents(files...)
		if other, twice := seen[sum]; twice {
			t.Errorf("%s and %s are alike", name, other)
		}
		seen[sum] = name
	}
	if contents(a) != contents(write("c", "one")) {
		t.Error("equal files differ")
	}
	before := contents(a)
	write("a", "another")
	if contents(a) == before {
		t.Error("a changed file is alike")
	}
}

func TestTheFirstKeyOfTokensIsKept(t *testing.T) {
	t.Parallel()
	var made madeKey
	for i, key := range []string{"first", "second", "third"} {
		kept, first := made.keep([]byte(key))
		if string(kept) != "first" || first != (i == 0) {
			t.Errorf("of %s: got %s, first %t", key, kept, first)
		}
	}
}
