package commands_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the files that are generated")

func TestGeneratedManPages(t *testing.T) {
	t.Parallel()
	root := commands.NewRoot(commands.IO{})
	root.DisableAutoGenTag = true
	dir := t.TempDir()
	// A date of its own would change the pages every day.
	date := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "sreg", Manual: "sreg manual"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	wantFolder(t, "../man", readFolder(t, dir))
}

func TestGeneratedCompletions(t *testing.T) {
	t.Parallel()
	scripts := map[string]func(*cobra.Command, *bytes.Buffer) error{
		"sreg.bash": func(c *cobra.Command, b *bytes.Buffer) error { return c.GenBashCompletionV2(b, true) },
		"_sreg":     func(c *cobra.Command, b *bytes.Buffer) error { return c.GenZshCompletion(b) },
		"sreg.fish": func(c *cobra.Command, b *bytes.Buffer) error { return c.GenFishCompletion(b, true) },
		"sreg.ps1":  func(c *cobra.Command, b *bytes.Buffer) error { return c.GenPowerShellCompletionWithDesc(b) },
	}
	files := map[string][]byte{}
	for name, generate := range scripts {
		var script bytes.Buffer
		if err := generate(commands.NewRoot(commands.IO{}), &script); err != nil {
			t.Fatal(err)
		}
		files[name] = script.Bytes()
	}
	wantFolder(t, "../completions", files)
}

// wantFolder compares a folder with the files that it should have, or makes it so.
func wantFolder(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	if *update {
		if err := rewrite(dir, files); err != nil {
			t.Fatal(err)
		}
		return
	}
	got := readFolder(t, dir)
	for name, content := range files {
		if !bytes.Equal(got[name], content) {
			t.Errorf("%s is not what the command tree says: run make generate", filepath.Join(dir, name))
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s belongs to no command: run make generate", filepath.Join(dir, name))
	}
}

func rewrite(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func readFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = content
	}
	return files
}

func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			for what, text := range map[string]string{"sentence": cmd.Short, "description": cmd.Long, "example": cmd.Example} {
				if text == "" {
					t.Errorf("has no %s", what)
				}
			}
			if !bytes.Contains([]byte(cmd.Long), []byte("Exit codes:")) {
				t.Error("does not say its exit codes")
			}
		})
		for _, child := range cmd.Commands() {
			visit(child)
		}
	}
	visit(commands.NewRoot(commands.IO{}))
}

func TestFlagsCompleteTheirValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		words []string
		want  []string
	}{
		{[]string{"serve", "--log-level", ""}, []string{"debug", "info", "warn", "error", ":4"}},
		{[]string{"version", "-o", ""}, []string{"table", "json", ":4"}},
		{[]string{"policy", "explain", "--action", "get-"}, append(policy.ActionNames(), ":4")},
		{[]string{"policy", "test", ""}, []string{"yaml", "yml", ":8"}},
		{[]string{"policy", "init", ""}, []string{":16"}},
		{[]string{"serve", "-c", ""}, []string{"yaml", "yml", "toml", "json", ":8"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.words), func(t *testing.T) {
			t.Parallel()
			var out, problems bytes.Buffer
			io := commands.IO{Out: &out, Err: &problems}
			if code := commands.Main(t.Context(), io, append([]string{"__complete"}, tt.words...)); code != 0 {
				t.Fatalf("got exit code %d: %s", code, problems.String())
			}
			var got []string
			for line := range bytes.Lines(out.Bytes()) {
				got = append(got, string(bytes.TrimSpace(line)))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
