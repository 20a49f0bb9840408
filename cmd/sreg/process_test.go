package main_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once for all tests of this package, below programs.
var binary, programs string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "sreg-binary-"); err == nil {
		defer os.RemoveAll(programs)
		// What the profile makes fast is the same program, but would be compiled once more.
		binary, err = buildProgram("sreg", "CGO_ENABLED=0")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// withRaceDetector builds the program once more, for tests in which many clients meet in one process. What it
// finds ends the process with an exit code, and fails the test. Without a C compiler it is the usual one.
var withRaceDetector = sync.OnceValues(func() (string, error) {
	if !hasCompiler() && os.Getenv("SREG_TEST_PARTIAL") == "1" {
		return binary, nil
	}
	return buildProgram("sreg-race", "CGO_ENABLED=1", "-race")
})

// hasCompiler says whether the C compiler is there that Go calls, as tools/test.sh finds out.
func hasCompiler() bool {
	name, err := exec.Command("go", "env", "CC").Output()
	if err == nil {
		_, err = exec.LookPath(strings.TrimSpace(string(name)))
	}
	return err == nil
}

func TestTheCompilerIsTheOneThatGoCalls(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other-cc")
	t.Setenv("CC", other)
	if hasCompiler() {
		t.Errorf("found %s, which is not there", other)
	}
	if err := os.WriteFile(other, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if !hasCompiler() {
		t.Errorf("%s was not found", other)
	}
}

func buildProgram(name, environ string, flags ...string) (string, error) {
	path := filepath.Join(programs, name)
	build := exec.Command("go", slices.Concat([]string{"build", "-pgo=off", "-o", path}, flags, []string{"."})...)
	build.Env = append(os.Environ(), environ)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// patience is how long a process may take to start or to end before a test gives it up.
const patience = 30 * time.Second

// process is a program that runs beside the test and is ended with it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; set before done is closed

	mu      sync.Mutex
	text    bytes.Buffer  // guarded by mu; what it wrote
	written chan struct{} // closed and replaced at each write; guarded by mu
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{}), written: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p
	}
	cmd.Stderr = p
	// A process that the test leaves behind when it is killed itself would hold ports and folders.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", filepath.Base(cmd.Path), err)
	}
	go func() { // ends with the process
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			_ = cmd.Process.Kill()
			<-p.done
		}
		if strings.Contains(p.output(), "WARNING: DATA RACE") {
			t.Error("the race detector found a race")
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", filepath.Base(cmd.Path), p.output())
		}
	})
	return p
}

// Write keeps what the process says and wakes those who wait for it.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.written)
	p.written = make(chan struct{})
	return p.text.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits until the process has written what the pattern finds.
func (p *process) await(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		match := pattern.FindStringSubmatch(p.text.String())
		written := p.written
		p.mu.Unlock()
		if match != nil {
			return match
		}
		select {
		case <-written:
		case <-p.done:
			t.Fatalf("%s ended (%v) before it wrote %s:\n%s", filepath.Base(p.cmd.Path), p.err, pattern, p.output())
		case <-deadline:
			t.Fatalf("%s did not write %s:\n%s", filepath.Base(p.cmd.Path), pattern, p.output())
		}
	}
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", filepath.Base(p.cmd.Path), err)
	}
}

// wait waits until the process has ended, and says how.
func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		t.Fatalf("%s did not end:\n%s", filepath.Base(p.cmd.Path), p.output())
		return nil
	}
}

// run runs a program to its end and returns what it wrote. A failure fails the test.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return runCmd(t, command(t, name, args...))
}

func runCmd(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// command is a program that is ended when it takes far too long.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, need(t, name), args...)
}

// need finds a program that a test talks to. Where the set of programs is allowed to be partial the
// test is left out, and says so; everywhere else a missing program fails it.
func need(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{filepath.Join("..", "..", ".tools", "bin", name), filepath.Join("/usr/bin", name), filepath.Join("/usr/sbin", name), name} {
		if path, err := exec.LookPath(candidate); err == nil {
			absolute, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return absolute
		}
	}
	leaveOut(t, name+" is not installed; make tools installs it")
	return ""
}

// needRoot is for what only root can do: mounts, daemons, tracing.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		leaveOut(t, "this test needs root")
	}
}

func leaveOut(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("SREG_TEST_PARTIAL") != "1" {
		t.Fatal(reason)
	}
	t.Skip("left out: " + reason)
}

// all says whether the slow tests were asked for, too.
func all() bool { return os.Getenv("SREG_TEST_ALL") == "1" }
