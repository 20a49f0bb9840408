package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// The marks around the part of the report that has a run of its own.
const (
	sectionBegin = "<!-- Written by `make bench-gc`: change internal/bench/collectors.md.tmpl, not this part. -->\n"
	sectionEnd   = "<!-- The end of what `make bench-gc` writes. -->\n"
)

// section is what stands between the marks of a file, or nothing where there are none yet.
func section(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("keep a part of the report: %w", err)
	}
	_, inside, _, err := cutSection(string(text))
	if errors.Is(err, errNoSection) {
		return "", nil
	}
	return inside, err
}

// replaceSection writes between the marks and leaves the rest of the file as it is.
func replaceSection(path, inside string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write a part of the report: %w", err)
	}
	before, _, after, err := cutSection(string(text))
	if err != nil {
		return fmt.Errorf("write a part of the report: %s: %w", path, err)
	}
	return os.WriteFile(path, []byte(before+inside+after), 0o644)
}

var errNoSection = errors.New("the marks around the part are not there")

// cutSection leaves the marks outside.
func cutSection(text string) (before, inside, after string, err error) {
	before, rest, begins := strings.Cut(text, sectionBegin)
	inside, after, ends := strings.Cut(rest, sectionEnd)
	if !begins || !ends {
		return "", "", "", errNoSection
	}
	return before + sectionBegin, inside, sectionEnd + after, nil
}
