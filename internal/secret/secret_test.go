package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/secret"
)

const canary = "canary-7f3a"

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	v := secret.New(canary)
	holder := struct {
		Password secret.Value
		Pointer  *secret.Value
		List     []secret.Value
	}{v, &v, []secret.Value{v}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+"\n", &v)
	}
	fmt.Fprintln(&out, v, fmt.Errorf("try %v: %s", v, v))
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "password", v, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "password", v, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	if printed := out.String(); strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret was printed:\n%s", printed)
	}
	if got := fmt.Sprintf("%s|%#v", v, v); got != "***|***" {
		t.Errorf("a secret shows as %q, want ***|***", got)
	}
	if got := fmt.Sprintf("%s|%#v", secret.Value{}, secret.Value{}); got != "|" {
		t.Errorf("an empty secret shows as %q, want nothing", got)
	}
	if v.Reveal() != canary {
		t.Errorf("Reveal gave %q, want %q", v.Reveal(), canary)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing := filepath.Join(dir, "missing")
	cases := []struct{ name, text, want, problem string }{
		{name: "plain text stands for itself", text: "s3cret", want: "s3cret"},
		{name: "no text is no secret"},
		{name: "a file is read", text: "file:" + write("plain", "s3cret"), want: "s3cret"},
		{name: "one line break at the end is dropped", text: "file:" + write("line", "s3cret\n"), want: "s3cret"},
		{name: "a Windows line break is dropped", text: "file:" + write("crlf", "s3cret\r\n"), want: "s3cret"},
		{name: "a second line break belongs to the secret", text: "file:" + write("two", "s3cret\n\n"), want: "s3cret\n"},
		{name: "a missing file is named", text: "file:" + missing, problem: missing},
		{name: "a folder is refused", text: "file:" + dir, problem: "not a regular file"},
		{name: "a reference to nothing is refused", text: "file:", problem: "want file:/path, got no path"},
		{name: "a huge file is refused", text: "file:" + write("huge", strings.Repeat("x", 64<<10+1)), problem: "over 65536 bytes"},
		{name: "bytes that are no text are refused", text: "file:" + write("binary", "\xff\xfe"), problem: "not UTF-8"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := secret.Parse(tc.text)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Fatalf("got error %v, want one with %q", err, tc.problem)
				}
				return
			}
			if err != nil || got.Reveal() != tc.want {
				t.Errorf("got %q, %v, want %q", got.Reveal(), err, tc.want)
			}
			if path, _ := strings.CutPrefix(tc.text, "file:"); got.File() != path && (got.File() != "" || path != tc.text) {
				t.Errorf("got the file %q of %q", got.File(), tc.text)
			}
		})
	}
}
