package commands_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
		{"cron/sreg-gc", lineAfter(`(?m)^30 3 \* \* \*  sreg  /usr/local/bin/sreg (.*) >/dev/null$`)},
		{"systemd/sreg-gc.service", lineAfter(`(?m)^ExecStart=/usr/local/bin/sreg (.*)$`)},
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

// TestTheExamplesOfDeployFitTogether: one place for the program and one user, those that docs/getting-started.md makes.
func TestTheExamplesOfDeployFitTogether(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []string{"sudo install bin/sreg /usr/local/bin/\n", "sudo useradd --system .* sreg\n"} {
		if !regexp.MustCompile(made).Match(page) {
			t.Errorf("docs/getting-started.md has no %q", made)
		}
	}
	files, err := filepath.Glob("../deploy/*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %q and %v", files, err)
	}
	program, user := regexp.MustCompile(`\S*/bin/sreg\b`), regexp.MustCompile(`(?m)^User=(.*)$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range program.FindAllString(string(text), -1) {
			if path = strings.TrimLeft(path, `["`); path != "/usr/local/bin/sreg" && path != "bin/sreg" && !strings.HasSuffix(path, "=/usr/local/bin/sreg") {
				t.Errorf("%s has the program at %s", file, path)
			}
		}
		for _, match := range user.FindAllStringSubmatch(string(text), -1) {
			if match[1] != "sreg" {
				t.Errorf("%s runs as %s", file, match[1])
			}
		}
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

// TestTheExamplesTrustAddressesAlone: whoever connects from a trusted network says who the client is.
func TestTheExamplesTrustAddressesAlone(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"../deploy/*/*", "../docs/*.md", "../README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("got %q and %v, want files of %s", found, err, pattern)
		}
		files = append(files, found...)
	}
	trusted, network := regexp.MustCompile(`trusted_proxies: \[.*\]`), regexp.MustCompile(`[0-9a-f.:]+/[0-9]+`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range trusted.FindAllString(string(text), -1) {
			if wide := network.FindString(line); wide != "" {
				t.Errorf("%s trusts %s, want addresses", file, wide)
			}
		}
	}
}

// TestTheExampleForKubernetesShowsMetricsToFew: what its service leads to is the registry alone, and its network policy
// says who reaches each port.
func TestTheExampleForKubernetesShowsMetricsToFew(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/kubernetes/replicas.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Server struct {
			Listeners []struct {
				Address string
				Serves  []string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(configOfMap(t, string(text))), &config); err != nil {
		t.Fatal(err)
	}
	admin := map[string]bool{} // by port
	for _, l := range config.Server.Listeners {
		_, port, _ := strings.Cut(l.Address, ":")
		admin[port] = slices.Contains(l.Serves, "metrics")
	}
	numbers := map[string]string{} // of ports by their names
	served, admitted := []string{}, []string{}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var object kubernetesObject
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, c := range object.Spec.Template.Spec.Containers {
			for _, p := range c.Ports {
				numbers[p.Name] = strconv.Itoa(p.ContainerPort)
			}
		}
		for _, p := range object.Spec.Ports {
			served = append(served, p.TargetPort)
		}
		for _, rule := range object.Spec.Ingress {
			if len(rule.From) == 0 {
				t.Error("a rule of the network policy admits everybody")
			}
			for _, p := range rule.Ports {
				admitted = append(admitted, p.Port)
			}
		}
	}
	if !slices.Equal(served, []string{"http"}) || admin[numbers["http"]] || !admin[numbers["admin"]] || !slices.Equal(admitted, []string{"http", "admin"}) {
		t.Errorf("the service leads to %q, the ports are %q, those with metrics %v, the network policy names %q", served, numbers, admin, admitted)
	}
}

// kubernetesObject is what the test above reads of Deployment, Service and NetworkPolicy.
type kubernetesObject struct {
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
				}
			}
		}
		Ports []struct {
			TargetPort string `yaml:"targetPort"`
		}
		Ingress []struct {
			From  []any
			Ports []struct{ Port string }
		}
	}
}
