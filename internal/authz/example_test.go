package authz

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/webhook"
)

// TestTheEndpointOfTheDocsRuns builds the program that docs/webhooks.md shows, and asks it.
func TestTheEndpointOfTheDocsRuns(t *testing.T) {
	t.Parallel()
	address := startExample(t)
	cfg := webhook.DefaultConfig()
	cfg.Name, cfg.URL = "guard", "http://"+address+"/authz"
	a := setup{global: bans(), hook: "guard", webhooks: map[string]*webhook.Client{"guard": newHook(t, cfg)}}.build(t)
	tests := []struct {
		name      string
		action    access.Action
		namespace string
		groups    []string
		want      string
	}{
		{"everybody pulls", access.GetManifest, "prod/app", nil, "allowed webhook guard"},
		{"developers push below dev", access.PutManifest, "dev/app", []string{"dev"}, "allowed webhook guard"},
		{"and not elsewhere", access.PutManifest, "prod/app", []string{"dev"}, "denied webhook guard"},
		{"others push nowhere", access.PutManifest, "dev/app", nil, "denied webhook guard"},
	}
	for _, tt := range tests {
		q := asks(t, tt.action, tt.namespace)
		q.Identity.Groups = tt.groups
		if got := a.Authorize(t.Context(), &q); told(got) != tt.want {
			t.Errorf("%s: got %q (%s), want %q", tt.name, told(got), got.Reason, tt.want)
		}
	}
}

// startExample runs the program on a free port, until the test ends.
func startExample(t *testing.T) (address string) {
	t.Helper()
	block := regexp.MustCompile("(?s)```go\n(// guard.go\n.*?)```").FindStringSubmatch(readDocs(t))
	if block == nil {
		t.Fatal("docs/webhooks.md shows no guard.go")
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "guard.go"), filepath.Join(dir, "guard")
	if err := os.WriteFile(source, []byte(block[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed, and says so
	})
	line, err := bufio.NewReader(stderr).ReadBytes('\n')
	_, after, ok := bytes.Cut(line, []byte("listening on "))
	if err != nil || !ok {
		t.Fatalf("got %q, %v, want the address", line, err)
	}
	return string(bytes.TrimSpace(after))
}
