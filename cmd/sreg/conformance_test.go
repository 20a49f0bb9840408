package main_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/storage/s3/s3test"
)

// leastConformance is how many tests the official program has to have run before its silence counts.
const leastConformance = 850

// TestConformance runs the official conformance program with every feature on, and judges it by its
// report, never by its exit code.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "dev"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			conform(t, serve(t), version)
		})
	}
}

// TestConformanceWhereverThingsLie runs it on S3, on both kinds of a mix, and on replicas that are sent each
// request by turns.
func TestConformanceWhereverThingsLie(t *testing.T) {
	t.Parallel()
	services := map[string]func(testing.TB) *s3test.Server{"versitygw": s3test.Start}
	versions := []string{"1.1"}
	if all() {
		services["minio"] = s3test.StartMinio
		versions = append(versions, "dev")
	}
	for name, service := range services {
		for _, version := range versions {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				s := service(t)
				// What a service sends after a redirect has none of the header fields of a registry.
				redirected := "OCI_API_BLOBS_DIGEST_HEADER=false"
				folder := func() string { return fmt.Sprintf("{type: fs, fs: {root: %q}}", filepath.Join(t.TempDir(), "data")) }
				t.Run("blobs and metadata on S3", func(t *testing.T) {
					conform(t, serveYAML(t, "storage: {blobs: "+s3YAML(s.Config(t), true)+"}\n"), version, redirected)
				})
				t.Run("blobs and metadata on S3, without redirects", func(t *testing.T) {
					conform(t, serveYAML(t, "storage: {blobs: "+s3YAML(s.Config(t), false)+"}\n"), version)
				})
				t.Run("blobs on S3, metadata in a folder", func(t *testing.T) {
					conform(t, serveYAML(t, "storage: {blobs: "+s3YAML(s.Config(t), true)+", metadata: "+folder()+"}\n"), version, redirected)
				})
				t.Run("blobs in a folder, metadata on S3", func(t *testing.T) {
					conform(t, serveYAML(t, "storage: {blobs: "+folder()+", metadata: "+s3YAML(s.Config(t), true)+"}\n"), version)
				})
				t.Run("three replicas over S3 and Redis", func(t *testing.T) {
					r := newReplicas(t, replicaOptions{Service: func(testing.TB) *s3test.Server { return s }})
					conform(t, r.server, version, redirected)
					checkBucket(t, r.bucket)
				})
			})
		}
	}
}

// conform runs the program, with some settings of its own, against a server where everybody may do everything.
func conform(t *testing.T, s *server, version string, settings ...string) {
	t.Helper()
	results := t.TempDir()
	cmd := command(t, "conformance")
	cmd.Env = append(os.Environ(),
		"OCI_REGISTRY="+s.address, "OCI_TLS=disabled", "OCI_VERSION="+version,
		"OCI_REPO1=conformance/a", "OCI_REPO2=conformance/b", "OCI_RESULTS_DIR="+results)
	cmd.Env = append(cmd.Env, settings...)
	judge(t, cmd, filepath.Join(results, "junit.xml"))
}

// TestConformanceWhereEveryoneSignsIn runs it as somebody with a password where nobody else may do anything.
func TestConformanceWhereEveryoneSignsIn(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]siteOptions{"with the token service": {}, "with Basic challenges": {NoTokens: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, opts)
			before := s.accepted(t)
			results := t.TempDir()
			cmd := command(t, "conformance")
			cmd.Env = append(os.Environ(),
				"OCI_REGISTRY="+s.address, "OCI_TLS=disabled", "OCI_VERSION=1.1", "OCI_USERNAME="+alice.user, "OCI_PASSWORD="+alice.password,
				"OCI_REPO1=conformance/a", "OCI_REPO2=conformance/b", "OCI_RESULTS_DIR="+results)
			judge(t, cmd, filepath.Join(results, "junit.xml"))
			if got, want := s.accepted(t)["token"] > before["token"], !opts.NoTokens; got != want {
				t.Errorf("it used tokens: got %t, want %t", got, want)
			}
		})
	}
}

func judge(t *testing.T, cmd *exec.Cmd, report string) {
	t.Helper()
	out, runErr := cmd.CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("no report (%v, program: %v):\n%s", err, runErr, out)
	}
	var junit struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Name   string `xml:"name,attr"`
				Status string `xml:"status,attr"`
				Out    string `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &junit); err != nil {
		t.Fatalf("read report: %v", err)
	}
	for _, suite := range junit.Suites {
		for _, c := range suite.Cases {
			if c.Status == "failure" || c.Status == "error" {
				t.Errorf("%s: %s", c.Name, strings.TrimSpace(c.Out))
			}
		}
	}
	if junit.Failures != 0 || junit.Errors != 0 || runErr != nil {
		t.Errorf("got %d failures, %d errors, exit %v, want none", junit.Failures, junit.Errors, runErr)
	}
	if junit.Tests < leastConformance {
		t.Errorf("got %d tests, want at least %d", junit.Tests, leastConformance)
	}
	t.Logf("%d tests, %d failures", junit.Tests, junit.Failures)
}
