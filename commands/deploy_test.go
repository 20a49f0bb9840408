package commands_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sreg-project/sreg/commands"
)

// TestTheExamplesOfDeployRun runs the command of each example of deploy/ that collects, on a store of the
// test's own: flags that do not exist would be found by an operator at night.
func TestTheExamplesOfDeployRun(t *testing.T) {
	t.Parallel()
	for _, example := range []struct {
		file string
		args func(t *testing.T, text string) []string
	}{
		{"cron/sreg-gc", lineAfter(`(?m)^30 3 \* \* \*  sreg  /usr/bin/sreg (.*) >/dev/null$`)},
		{"systemd/sreg-gc.service", lineAfter(`(?m)^ExecStart=/usr/bin/sreg (.*)$`)},
		{"kubernetes/gc-cronjob.yaml", argsOfCronJob},
	} {
		t.Run(example.file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "deploy", example.file))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			config := filepath.Join(dir, "sreg.yaml")
			root := filepath.Join(dir, "data")
			if err := os.WriteFile(config, []byte("storage: {blobs: {fs: {root: "+root+"}}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			newEmptyStore(t, root)
			args := example.args(t, string(text))
			for i, arg := range args {
				if arg == "/etc/sreg/sreg.yaml" {
					args[i] = config
				}
			}
			var out, errs bytes.Buffer
			if code := commands.Main(t.Context(), commands.IO{In: strings.NewReader(""), Out: &out, Err: &errs}, args); code != 0 {
				t.Errorf("sreg %q: exit code %d\n%s%s", args, code, &out, &errs)
			}
		})
	}
}

// lineAfter finds the arguments of a command in a line.
func lineAfter(pattern string) func(*testing.T, string) []string {
	return func(t *testing.T, text string) []string {
		t.Helper()
		match := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("no line matches %s", pattern)
		}
		return strings.Fields(match[1])
	}
}

func argsOfCronJob(t *testing.T, text string) []string {
	t.Helper()
	var job struct {
		Kind string
		Spec struct {
			JobTemplate struct {
				Spec struct {
					Template struct {
						Spec struct{ Containers []struct{ Args []string } }
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err)
	}
	containers := job.Spec.JobTemplate.Spec.Template.Spec.Containers
	if job.Kind != "CronJob" || len(containers) != 1 {
		t.Fatalf("got a %s with %d containers", job.Kind, len(containers))
	}
	return containers[0].Args
}

// TestTheExamplesOfDeployConfigureReplicas lets sreg judge the configs of the examples with several instances.
func TestTheExamplesOfDeployConfigureReplicas(t *testing.T) {
	t.Parallel()
	for _, example := range []struct {
		file   string
		config func(t *testing.T, text string) string
	}{
		{"kubernetes/replicas.yaml", configOfMap},
		{"compose/sreg.yaml", func(_ *testing.T, text string) string { return text }},
	} {
		t.Run(example.file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "deploy", example.file))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			run := func(in string, args ...string) {
				t.Helper()
				var out, errs bytes.Buffer
				if code := commands.Main(t.Context(), commands.IO{In: strings.NewReader(in), Out: &out, Err: &errs}, args); code != 0 {
					t.Errorf("sreg %q: exit code %d\n%s%s", args, code, &out, &errs)
				}
			}
			run("correct horse battery", "user", "add", "alice", "--password-stdin", "--file", filepath.Join(dir, "users"))
			config := filepath.Join(dir, "sreg.yaml")
			content := strings.ReplaceAll(example.config(t, string(text)), "/etc/sreg-secrets", dir)
			if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			run("", "config", "validate", "-c", config)
		})
	}
}

// configOfMap is the config in the first document of an example for Kubernetes.
func configOfMap(t *testing.T, text string) string {
	t.Helper()
	var object struct {
		Kind string
		Data map[string]string
	}
	if err := yaml.NewDecoder(strings.NewReader(text)).Decode(&object); err != nil {
		t.Fatal(err)
	}
	if object.Kind != "ConfigMap" || object.Data["sreg.yaml"] == "" {
		t.Fatalf("got a %s with %d files, want one with sreg.yaml", object.Kind, len(object.Data))
	}
	return object.Data["sreg.yaml"]
}
