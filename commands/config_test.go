package commands_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
)

// runConfig runs sreg config with the words and gives back what it printed.
func runConfig(t *testing.T, environ []string, words ...string) (code int, out, problems string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	io := commands.IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr, Environ: environ}
	code = commands.Main(t.Context(), io, append([]string{"config"}, words...))
	return code, stdout.String(), stderr.String()
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.yaml", "registry: {read_only: true}\n")
	bad := write("bad.yaml", "server:\n  http2: maybe\n")
	worse := write("worse.toml", "[lgo]\nlevel = \"info\"\n")
	noCertificate := write("tls.yaml", "server:\n  listeners: [{name: main, address: \"127.0.0.1:0\", tls: true}]\n  tls: {cert_file: "+folder+"/none.crt, key_file: "+folder+"/none.key}\n")
	open := write("open.yaml", "policy:\n  default: allow\n  on_error: skip\n  rules: [\"identity.oidc.claims['a'] == 'b'\"]\n")
	allow := write("allow.yaml", "policy: {default: allow}\n")
	cases := []struct {
		name    string
		words   []string
		environ []string
		code    int
		out     string
		problem string
	}{
		{name: "the defaults are valid", out: "ok: defaults\n"},
		{name: "a valid file is named", words: []string{"-c", good}, out: "ok: " + good + "\n"},
		{
			name: "every mistake in every source is shown", words: []string{"-c", bad, "-c", worse, "--data", ""}, environ: []string{"SREG_LOG_LEVEL=loud"}, code: 2,
			problem: "error: " + bad + ":2:10: server.http2: want true or false, got \"maybe\"\n" +
				"error: " + worse + ":1:2: lgo: unknown key, did you mean log?\n" +
				"error: SREG_LOG_LEVEL: log.level: want debug, info, warn or error, got \"loud\"\n" +
				"error: --data: storage.blobs.fs.root: want the path of a folder\n",
		},
		{name: "a certificate that cannot be read is a mistake", words: []string{"-c", noCertificate}, code: 2, problem: "error: " + noCertificate + ":3:8: server.tls: "},
		{name: "a file that is not there is a mistake", words: []string{"-c", folder + "/none.yaml"}, code: 2, problem: "error: " + folder + "/none.yaml: open: no such file or directory\n"},
		{
			name: "a rule that is skipped when it fails is a warning where it denies", words: []string{"-c", open}, out: "ok: " + open + "\n",
			problem: "warning: " + open + ":3:13: policy.on_error: where default is allow, skip lets a request through whose rule fails: set deny, or leave on_error out\n",
		},
		{name: "a policy without rules is no warning", words: []string{"-c", allow}, out: "ok: " + allow + "\n"},
		{name: "a word too many is a usage error", words: []string{good}, code: 2, problem: "error: sreg config validate takes no argument"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			words := append([]string{"validate", "--data", filepath.Join(t.TempDir(), "data")}, tc.words...)
			code, out, problems := runConfig(t, tc.environ, words...)
			if code != tc.code || out != tc.out || !strings.HasPrefix(problems, tc.problem) {
				t.Errorf("got exit %d, output %q, errors:\n%s\nwant exit %d, output %q, errors:\n%s", code, out, problems, tc.code, tc.out, tc.problem)
			}
		})
	}
}

func TestConfigValidateCreatesNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if code, _, problems := runConfig(t, nil, "validate", "--data", data); code != 0 {
		t.Fatalf("got exit %d: %s", code, problems)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", data, err)
	}
}

func TestConfigSchemaPrintsASchema(t *testing.T) {
	t.Parallel()
	code, out, problems := runConfig(t, nil, "schema")
	var schema struct {
		Schema     string `json:"$schema"`
		Properties map[string]any
	}
	if err := json.Unmarshal([]byte(out), &schema); err != nil || code != 0 {
		t.Fatalf("got exit %d, %v: %s", code, err, problems)
	}
	if !strings.Contains(schema.Schema, "2020-12") || schema.Properties["server"] == nil {
		t.Errorf("got %s with properties %v, want 2020-12 with server", schema.Schema, schema.Properties)
	}
}
