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
	podman := func(args ...string) *exec.Cmd {
		cmd := command(t, "podman", args...)
		cmd.Env = append(os.Environ(), "CONTAINERS_STORAGE_CONF="+config)
		return cmd
	}
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
