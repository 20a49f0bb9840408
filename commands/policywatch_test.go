package commands_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
)

func TestWatchTestsAgainWhenAFileChanges(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const one = "cases: [{name: a, request: {action: list-catalog}, expect: deny}]\n"
	cfg := write("sreg.yaml", "policy: {rules: ['identity.username != null']}\n")
	cases := write("cases.yaml", one)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() { // ends with stop
		streams := commands.IO{Out: in, Err: in}
		code <- commands.Main(ctx, streams, []string{"policy", "test", "--watch", "-c", cfg, cases})
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	await := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the command ended before it said %q", want)
	}
	await("1 passed, 0 failed, in 1 file")
	await("watching " + cases + ", " + cfg + "; Ctrl-C ends it")
	write("cases.yaml", strings.Replace(one, "deny", "allow", 1))
	await("error: 1 of 1 case failed")
	// An editor that replaces the file.
	if err := os.Rename(write("new", "cases: 5\n"), cases); err != nil {
		t.Fatal(err)
	}
	await("cases: want a list")
	write("cases.yaml", strings.Replace(one, "deny", "allow", 1))
	await("error: 1 of 1 case failed")
	write("sreg.yaml", "policy: {default: allow}\n")
	await("1 passed, 0 failed, in 1 file")
	stop()
	await("error: interrupted")
	if got := <-code; got != 130 {
		t.Errorf("got exit code %d, want 130", got)
	}
}
