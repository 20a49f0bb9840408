package main

import (
	"bytes"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestAWorldIsMadeInEachFolderThatIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out bytes.Buffer
	args := []string{"-sreg", filepath.Join(dir, "a"), "-docker", filepath.Join(dir, "b"), "-blobs", "200"}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^.*/[ab]: 200 blobs \(\d+ garbage\), 10 manifests .* 1 namespaces in [0-9.]+ s$`)
	if got := lines.FindAllString(out.String(), -1); len(got) != 2 {
		t.Errorf("got %q, want a line for each folder", out.String())
	}
}

func TestFlagsThatMakeNoWorldAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no folder":            {nil, "want -sreg FOLDER or -docker FOLDER"},
		"a world without room": {[]string{"-docker", t.TempDir(), "-blobs", "10", "-manifests", "20"}, "want 25 blobs that are no garbage"},
	} {
		err := run(t.Context(), tc.args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}
