package commands_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sreg-project/sreg/commands"
	"github.com/sreg-project/sreg/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the files that are generated")

func TestGeneratedManPages(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	visit(commands.NewRoot(commands.IO{}), func(cmd *cobra.Command) {
		files[manName(cmd)+".1"] = manPage(cmd)
	})
	wantFolder(t, "../man", files)
}

// visit calls a function with each command that people see.
func visit(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, child := range cmd.Commands() {
		if !child.Hidden {
			visit(child, do)
		}
	}
}

// TestManualPagesAreAsRichAsHelp wants whatever help says of a command, its flags and their arguments.
func TestManualPagesAreAsRichAsHelp(t *testing.T) {
	t.Parallel()
	visit(commands.NewRoot(commands.IO{}), func(cmd *cobra.Command) {
		page := strings.NewReplacer(`\-`, "-", `\&`, "", `\e`, `\`, `\fB`, "", `\fI`, "", `\fR`, "").Replace(string(manPage(cmd)))
		words := strings.Join(strings.Fields(page), " ")
		parts := append(strings.Split(cmd.Example, "\n"), cmd.Short)
		for paragraph := range strings.SplitSeq(cmd.Long, "\n\n") {
			if !strings.HasPrefix(paragraph, "Exit codes: see") {
				parts = append(parts, paragraph)
			}
		}
		for _, child := range cmd.Commands() {
			parts = append(parts, child.Short)
		}
		if cmd.IsAdditionalHelpTopicCommand() {
			cmd.ResetFlags() // a topic has none
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(f)
			parts = append(parts, strings.TrimSpace("--"+f.Name+" "+name), usage)
		})
		for _, part := range parts {
			if want := strings.Join(strings.Fields(part), " "); !strings.Contains(words, want) {
				t.Errorf("%s does not say %q", manName(cmd), want)
			}
		}
	})
}

func TestHelpFitsATerminal(t *testing.T) {
	t.Parallel()
	visit(commands.NewRoot(commands.IO{}), func(cmd *cobra.Command) {
		if cmd.Name() == "help" {
			return
		}
		var out bytes.Buffer
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if code := commands.Main(t.Context(), commands.IO{Out: &out, Err: &out}, args); code != 0 {
			t.Errorf("%s: got exit code %d", cmd.CommandPath(), code)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: a line has %d columns, want at most 80: %s", cmd.CommandPath(), n, line)
			}
		}
	})
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
	visit(commands.NewRoot(commands.IO{}), func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			for what, text := range map[string]string{"sentence": cmd.Short, "description": cmd.Long, "example": cmd.Example} {
				if text == "" {
					t.Errorf("has no %s", what)
				}
			}
			if !strings.Contains(cmd.Long, "Exit codes:") {
				t.Error("does not say where its exit codes are")
			}
		})
	})
}

func TestFlagsCompleteTheirValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		words []string
		want  []string
	}{
		{[]string{"serve", "--log-level", ""}, []string{"debug", "info", "warn", "error", ":4"}},
		{[]string{"version", "-o", ""}, []string{"table", "json", ":4"}},
		{[]string{"policy", "explain", "--action", "get-"}, append(policy.ServedActionNames(), ":4")},
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
