package main_test

import (
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// server is a running sreg serve.
type server struct {
	address string // host:port
	dir     string // the data folder
	process *process
}

// serve starts sreg on a free port and waits until it is ready. It is ended with the test.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	return serveIn(t, filepath.Join(t.TempDir(), "data"), args...)
}

// serveIn starts sreg on a folder that may hold a store already.
func serveIn(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	args = append([]string{"serve", "--data", dir}, args...)
	if !strings.Contains(strings.Join(args, " "), "--address") && !strings.Contains(strings.Join(args, " "), "-c ") {
		args = append(args, "--address", "127.0.0.1:0")
	}
	p := start(t, exec.Command(binary, args...))
	match := p.await(t, regexp.MustCompile(`address\s+https?://(\S+)`))
	return &server{address: match[1], dir: dir, process: p}
}

// url is an address below the server's API.
func (s *server) url(path string) string { return "http://" + s.address + path }

// stop ends the server as systemd would, and expects exit code 0.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.process.signal(t, syscall.SIGTERM)
	if err := s.process.wait(t); err != nil {
		t.Fatalf("stop sreg: got %v, want exit code 0\n%s", err, s.process.output())
	}
}

// serveConfigured starts sreg with a config; its address and its folder are given already.
func serveConfigured(t *testing.T, yaml string) *server {
	t.Helper()
	return serveConfiguredIn(t, filepath.Join(t.TempDir(), "data"), yaml)
}

func serveConfiguredIn(t *testing.T, dir, yaml string) *server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sreg.yaml")
	writeFile(t, config, yaml+"\n")
	return serveIn(t, dir, "-c", config, "--address", "127.0.0.1:0")
}

func TestServeEndsCleanlyOnSIGTERMAndSaysWhereItIs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.process.await(t, regexp.MustCompile(`docker push `)) // the last of the lines, which come one by one
	for _, want := range []string{"sreg ", "config", "anybody on this computer", "docker push " + s.address, s.dir} {
		if !strings.Contains(s.process.output(), want) {
			t.Errorf("start lines: want %q in\n%s", want, s.process.output())
		}
	}
	s.stop(t)
	_, err := http.Get(s.url("/v2/"))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: got %v, want connection refused", err)
	}
}
