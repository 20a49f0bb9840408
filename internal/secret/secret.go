// Package secret is for strings that must never be seen: passwords, keys, tokens.
// It promises that a Value shows as *** however it is printed, logged or
// encoded, and that only Reveal gives it away.
// It must not know what a secret opens or which key of the config holds it.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"
)

// masked is all that is ever shown of a secret that is set.
const masked = "***"

// maxFile bounds the file of a secret: a mistyped path must not fill memory.
const maxFile = 64 << 10

// Value is a secret string. The zero value is an empty one, which shows as such.
type Value struct {
	text string
	file string // that it was read from
}

// New makes a secret of a text as it is.
func New(text string) Value {
	return Value{text: text}
}

// fileScheme begins the name of a file that holds a secret.
const fileScheme = "file:"

// InFile reports whether a value in the configuration names a file that holds the secret.
func InFile(text string) bool { return strings.HasPrefix(text, fileScheme) }

// Parse makes a secret of a value in the configuration: file:/path is read
// from that file, without the line break at its end; any other text stands for
// itself.
func Parse(text string) (Value, error) {
	path, ok := strings.CutPrefix(text, fileScheme)
	if !ok {
		return Value{text: text}, nil
	}
	content, err := readFile(path)
	if err != nil {
		return Value{}, fmt.Errorf("read secret from file: %w", err)
	}
	// Editors and echo add one line break; more than that may belong to the secret.
	content = strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r")
	return Value{text: content, file: path}, nil
}

func readFile(path string) (string, error) {
	if path == "" {
		return "", errors.New("want file:/path, got no path")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	// Before it is opened: opening a pipe waits until somebody writes to it.
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("%s is over %d bytes", path, maxFile)
	}
	if !utf8.Valid(content) {
		return "", fmt.Errorf("%s is not UTF-8 text", path)
	}
	return string(content), nil
}

// Reveal gives the secret away.
func (v Value) Reveal() string {
	return v.text
}

// File is the file that the secret was read from; "" = none.
func (v Value) File() string {
	return v.file
}

// String shows *** in place of the secret, and nothing in place of none.
func (v Value) String() string {
	if v.text == "" {
		return ""
	}
	return masked
}

// Format is String, for every verb: %x of a secret gives nothing away either.
func (v Value) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, v.String()) // a fmt.State never fails
}

// LogValue is String, for slog.
func (v Value) LogValue() slog.Value {
	return slog.StringValue(v.String())
}

// MarshalText is String, for JSON and everything else that encodes.
func (v Value) MarshalText() ([]byte, error) {
	return []byte(v.String()), nil
}
