package main_test

import (
	"archive/tar"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPodmanPullsThePartsOfALayerThatItLacks: podman asks for several ranges of a layer at once, and takes the rest from
// layers that it has. It needs an overlay file system, so it runs with the slow tests.
func TestPodmanPullsThePartsOfALayerThatItLacks(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	needRoot(t)
	s := serve(t)
	podman, dir := newPodman(t)
	const files, size = 40, 100_000
	contents := make([][]byte, files)
	for i := range contents {
		contents[i] = noise(t, size)
	}
	for _, tag := range []string{"one", "two"} {
		archive := filepath.Join(dir, tag+".tar")
		writeTar(t, archive, contents)
		runCmd(t, podman("import", archive, s.address+"/parts:"+tag))
		runCmd(t, podman("push", "--tls-verify=false", "--compression-format", "zstd:chunked", s.address+"/parts:"+tag))
		contents[7], contents[25] = noise(t, size), noise(t, size)
	}
	runCmd(t, podman("rmi", "--all", "--force"))
	runCmd(t, podman("pull", "--tls-verify=false", s.address+"/parts:one"))
	before := bytesSent(t, s)
	runCmd(t, podman("pull", "--tls-verify=false", s.address+"/parts:two"))
	if sent := bytesSent(t, s) - before; sent < 2*size || sent > 4*size {
		t.Errorf("%.0f bytes were sent for two files of %d bytes, want no more than these", sent, size)
	}
	runCmd(t, podman("rmi", "--all", "--force"))
}

// newPodman makes commands of podman with a storage of the test's own, which lies in the folder beside it.
func newPodman(t *testing.T) (podman func(args ...string) *exec.Cmd, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sreg-podman") // an overlay cannot lie on another one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	config := filepath.Join(dir, "storage.conf")
	writeFile(t, config, fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n[storage.options]\n"+
		"pull_options = {enable_partial_images = \"true\", use_hard_links = \"false\", ostree_repos = \"\"}\n", dir+"/root", dir+"/run"))
	return func(args ...string) *exec.Cmd {
		cmd := command(t, "podman", args...)
		cmd.Env = append(os.Environ(), "CONTAINERS_STORAGE_CONF="+config)
		return cmd
	}, dir
}

// TestTheContainerOfDeployRuns builds what deploy/container says, runs it, and lets sreg have itself.
func TestTheContainerOfDeployRuns(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	needRoot(t)
	podman, dir := newPodman(t)
	if err := os.MkdirAll(filepath.Join(dir, "source", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "source", "bin", "sreg"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	s := serve(t)
	image := s.address + "/sreg:1"
	runCmd(t, podman("build", "--tag", image, "--file", "../../deploy/container/Containerfile", filepath.Join(dir, "source")))
	runCmd(t, podman("push", "--tls-verify=false", image))
	runCmd(t, podman("rmi", "--all", "--force"))
	// The limits of podman's own are higher than what a container may set in which the test runs.
	out := runCmd(t, podman("run", "--rm", "--tls-verify=false", "--network", "host",
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", image, "version"))
	if !strings.Contains(out, "platform") {
		t.Errorf("the container says %q, want its version", out)
	}
}

func noise(t *testing.T, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func writeTar(t *testing.T, path string, files [][]byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(f)
	for i, content := range files {
		if err := archive.WriteHeader(&tar.Header{Name: fmt.Sprintf("file-%d", i), Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// bytesSent is what the server has sent so far.
func bytesSent(t *testing.T, s *server) float64 {
	t.Helper()
	match := regexp.MustCompile(`(?m)^sreg_http_bytes_total\{direction="sent"\} (\S+)$`).FindStringSubmatch(run(t, "curl", "--fail", "--silent", "http://"+s.address+"/metrics"))
	if match == nil {
		t.Fatal("there is no count of bytes that were sent")
	}
	n, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
