package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// part is a piece of the report that has a run of its own, with the marks around it.
type part struct{ begin, end string }

// The parts, by the target of the Makefile that writes them.
func collectorsPart() part { return newPart("bench-gc", "collectors.md.tmpl") }
func s3Part() part         { return newPart("bench-s3", "s3.md.tmpl") }

func newPart(target, template string) part {
	return part{
		begin: fmt.Sprintf("<!-- Written by `make %s`: change internal/bench/%s, not this part. -->\n", target, template),
		end:   fmt.Sprintf("<!-- The end of what `make %s` writes. -->\n", target),
	}
}

// kept is the part with its marks as it stands in a file, and empty between them where it is not there yet.
func (p part) kept(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keep a part of the report: %w", err)
	}
	_, inside, _, err := p.cut(string(text))
	if err != nil && !errors.Is(err, errNoPart) {
		return "", err
	}
	return p.begin + inside + p.end, nil
}

// replace writes between the marks and leaves the rest of the file as it is.
func (p part) replace(path, inside string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write a part of the report: %w", err)
	}
	before, _, after, err := p.cut(string(text))
	if err != nil {
		return fmt.Errorf("write a part of the report: %s: %w", path, err)
	}
	return os.WriteFile(path, []byte(before+inside+after), 0o644)
}

var errNoPart = errors.New("the marks around the part are not there")

// cut leaves the marks outside.
func (p part) cut(text string) (before, inside, after string, err error) {
	before, rest, begins := strings.Cut(text, p.begin)
	inside, after, ends := strings.Cut(rest, p.end)
	if !begins || !ends {
		return "", "", "", errNoPart
	}
	return before + p.begin, inside, p.end + after, nil
}
