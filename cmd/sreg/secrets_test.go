package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestThreatASecretThatOthersReadBeforeItsModeIsSet looks at the calls by which secrets are written: nobody but their
// owner may read them from their first byte on, in no file that they pass through.
func TestThreatASecretThatOthersReadBeforeItsModeIsSet(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := t.TempDir()
	users, data, config := filepath.Join(dir, "users"), filepath.Join(dir, "data"), filepath.Join(dir, "sreg.yaml")
	writeFile(t, config, fmt.Sprintf("auth: {users_file: %q}\npolicy: {rules: ['true']}\n", users))
	// With -D the server is what is started, and strace a process beside it.
	traced := func(args ...string) *exec.Cmd {
		return exec.Command(need(t, "strace"), append([]string{"-D", "-f", "-y", "-e", "trace=openat,mkdirat,renameat,renameat2,linkat,fchmod,fchmodat", "-o", filepath.Join(dir, "trace."+args[0]), binary}, args...)...)
	}
	runCmd(t, traced("user", "add", "alice", "--generate", "--file", users))
	p := start(t, traced("serve", "-c", config, "--data", data, "--address", "127.0.0.1:0"))
	p.await(t, regexp.MustCompile(`address\s+https?://(\S+)`))
	key := filepath.Join(data, "_keys", "token")
	if _, err := os.Stat(key); err != nil {
		t.Fatalf("serve made no key: %v", err)
	}
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, trace, mode string }{
		{users, "trace.user", "0600"}, {key, "trace.serve", "0600"}, {filepath.Dir(key), "trace.serve", "0700"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, tt.trace))
		if err != nil {
			t.Fatal(err)
		}
		if got := modesOf(text, tt.path); got != tt.mode {
			t.Errorf("%s had the modes %q on its way, want %s from its birth", tt.path, got, tt.mode)
		}
	}
}

var (
	madeWith  = regexp.MustCompile(`(openat|mkdirat)\([^"]*"([^"]*)".*, (0[0-7]+)\) += [0-9]`)
	renamedTo = regexp.MustCompile(`(?:renameat2?|linkat)\([^"]*"([^"]*)"[^"]*"([^"]*)".*\) += 0`)
	modeSet   = regexp.MustCompile(`fchmod(?:at)?\([^"<]*[<"]([^">]*)[">], (0[0-7]+)`)
)

// modesOf are the modes that the file of a path has had since it was made, under whatever name.
func modesOf(trace []byte, path string) string {
	modes := map[string]string{}
	for line := range bytes.Lines(trace) {
		text := string(line)
		if m := madeWith.FindStringSubmatch(text); m != nil && (m[1] == "mkdirat" || strings.Contains(text, "O_CREAT")) {
			modes[m[2]] = m[3]
		} else if m := renamedTo.FindStringSubmatch(text); m != nil {
			modes[m[2]] = modes[m[1]]
		} else if m := modeSet.FindStringSubmatch(text); m != nil && m[2] != modes[m[1]] {
			modes[m[1]] += " " + m[2]
		}
	}
	return modes[path]
}

// TestWhoMayReadAndChangeSecrets: what others can change is refused, by config validate as by serve, and what they can
// only read is a warning.
func TestWhoMayReadAndChangeSecrets(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "sreg-secrets-") // those of tests are private, so that nothing in them is exposed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "sreg.yaml")
	files := map[string]string{
		"auth.users_file": filepath.Join(dir, "users"), "auth.token.key_file": filepath.Join(dir, "token.pem"),
		"webhooks[0].bearer_token": filepath.Join(dir, "bearer"),
	}
	run(t, binary, "user", "add", "alice", "--generate", "--file", files["auth.users_file"])
	run(t, "openssl", "genpkey", "-algorithm", "ed25519", "-out", files["auth.token.key_file"])
	writeFile(t, files["webhooks[0].bearer_token"], "canary")
	writeFile(t, config, fmt.Sprintf("auth: {users_file: %q, token: {key_file: %q}}\npolicy: {rules: ['true'], webhook: w}\nwebhooks: [{name: w, url: 'http://127.0.0.1:1/', bearer_token: 'file:%s'}]\nredis: {password: canary}\n",
		files["auth.users_file"], files["auth.token.key_file"], files["webhooks[0].bearer_token"]))
	validate := func(folder, secrets, file os.FileMode) (string, int) {
		t.Helper()
		modes := map[string]os.FileMode{config: file, dir: folder}
		for _, file := range files {
			modes[file] = secrets
		}
		for path, mode := range modes {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(binary, "config", "validate", "-c", config, "--data", filepath.Join(dir, "data"))
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, tt := range []struct {
		name                    string
		folder, secrets, config os.FileMode
		exit                    int
		want                    string // of each file
		ofConfig                string
	}{
		{"private", 0o755, 0o600, 0o600, 0, "", ""},
		{"of the group", 0o755, 0o660, 0o640, 0, "", ""},
		{"in a private folder", 0o700, 0o666, 0o666, 0, "", ""},
		{"readable", 0o755, 0o644, 0o644, 0, "read it in", "redis.password: other users of this computer can read it in"},
		{"writable", 0o755, 0o622, 0o600, 2, "write to", ""},
		{"in a writable folder", 0o777, 0o600, 0o600, 2, "write to", "write to the config"},
	} {
		out, exit := validate(tt.folder, tt.secrets, tt.config)
		if exit != tt.exit || !strings.Contains(out, tt.ofConfig) || tt.want == "" && strings.Contains(out, "other users") {
			t.Errorf("%s: exit code %d, want %d, and %q in\n%s", tt.name, exit, tt.exit, tt.ofConfig, out)
		}
		for key, file := range files {
			if line := key + ": other users of this computer can " + tt.want; tt.want != "" && (!strings.Contains(out, line) || !strings.Contains(out, file)) {
				t.Errorf("%s: want %q and %s in\n%s", tt.name, line, file, out)
			}
		}
	}
	out, err := exec.Command(binary, "serve", "-c", config, "--data", filepath.Join(dir, "data"), "--address", "127.0.0.1:0").CombinedOutput()
	if err == nil || strings.Count(string(out), "can write to") != len(files)+1 {
		t.Errorf("serve: got %v, want that it refuses the %d files that others can replace:\n%s", err, len(files), out)
	}
}
