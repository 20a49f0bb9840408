package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests that look below the program run strace beside a server that is up: its start is not
// theirs.

// call is one system call of a server.
type call struct {
	name   string   // fsync
	text   string   // its arguments and its result, as strace writes them
	paths  []string // the files that it names, by a name or by a descriptor
	result int64    // -1 if it failed
	// begin and end say when it was entered and left: each is a line of the trace.
	begin, end int
}

func (c call) String() string { return c.name + "(" + c.text }

var (
	traceLine    = regexp.MustCompile(`^(\d+) +(.*)$`)
	callBegun    = regexp.MustCompile(`^([a-z0-9_]+)\((.*) <unfinished \.\.\.>$`)
	callResumed  = regexp.MustCompile(`^<\.\.\. [a-z0-9_]+ resumed>(.*)$`)
	callWhole    = regexp.MustCompile(`(?s)^([a-z0-9_]+)\((.*\)\s+= (-?\d+|\?).*)$`)
	descriptorOf = regexp.MustCompile(`^\d+<(/[^>]*)>`)
	workingDir   = regexp.MustCompile(`AT_FDCWD<[^>]*>`)
	quotedPath   = regexp.MustCompile(`"(/[^"]*)"`)
)

// tracer reads what strace writes, as it comes.
type tracer struct {
	// saw gets each call when it has ended.
	saw func(call)
	// stopped is called when a thread stands still behind a call of its own.
	stopped func()

	mu      sync.Mutex
	part    string            // guarded by mu; a line without its end
	lines   int               // guarded by mu
	begun   map[string]call   // guarded by mu; by thread, what is not at its end
	pending map[string]string // guarded by mu; by thread, the call behind which it may stop
}

func (r *tracer) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := strings.Split(r.part+string(b), "\n")
	r.part = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		r.read(line)
	}
	return len(b), nil
}

// read takes one line. Lines that are no calls, such as signals, say at most that a thread stopped.
func (r *tracer) read(line string) {
	if r.begun == nil {
		r.begun, r.pending = map[string]call{}, map[string]string{}
	}
	r.lines++
	parts := traceLine.FindStringSubmatch(line)
	if parts == nil {
		return
	}
	thread, text := parts[1], parts[2]
	c := call{begin: r.lines, end: r.lines}
	if m := callBegun.FindStringSubmatch(text); m != nil {
		c.name, c.text = m[1], m[2]
		r.begun[thread] = c
		return
	}
	if m := callResumed.FindStringSubmatch(text); m != nil {
		begun := r.begun[thread]
		delete(r.begun, thread)
		c.begin, text = begun.begin, begun.name+"("+begun.text+m[1]
	}
	if m := callWhole.FindStringSubmatch(text); m != nil {
		c.name, c.text, c.paths = m[1], m[2], pathsOf(m[2])
		c.result = -1
		if n, err := strconv.ParseInt(m[3], 10, 64); err == nil {
			c.result = n
		}
		r.pending[thread] = c.name
		r.saw(c)
		return
	}
	if strings.HasPrefix(text, "--- stopped by SIGSTOP") && r.pending[thread] != "" {
		delete(r.pending, thread)
		if r.stopped != nil {
			r.stopped()
		}
	}
}

// pathsOf finds the file behind a call's descriptor, else those that it names. What a write writes is
// no path.
func pathsOf(text string) []string {
	if m := descriptorOf.FindStringSubmatch(text); m != nil {
		return m[1:]
	}
	var paths []string
	for _, m := range quotedPath.FindAllStringSubmatch(workingDir.ReplaceAllString(text, ""), -1) {
		paths = append(paths, m[1])
	}
	return paths
}

// attach runs strace beside the server until the test ends, or stop is called with it.
func (s *server) attach(t *testing.T, to *tracer, args ...string) *process {
	t.Helper()
	cmd := exec.Command(need(t, "strace"), slices.Concat([]string{"-f", "-yy", "-o", "/dev/stdout"}, args,
		[]string{"-p", strconv.Itoa(s.process.cmd.Process.Pid)})...)
	cmd.Stdout = to
	p := start(t, cmd)
	p.await(t, regexp.MustCompile(`Process \d+ attached`))
	return p
}

// detach ends strace. The server goes on, or stands where it was stopped.
func detach(t *testing.T, strace *process) {
	t.Helper()
	select {
	case <-strace.done: // the server has ended, and strace with it
		return
	default:
	}
	err := strace.cmd.Process.Signal(syscall.SIGTERM)
	if err != nil && !errors.Is(err, os.ErrProcessDone) { // it may end by itself at this moment
		t.Fatalf("end strace: %v", err)
	}
	select {
	case <-strace.done:
	case <-time.After(patience):
		t.Fatal("strace did not end")
	}
}

// stepper lets a server do something and stops it behind the n-th call that counts. strace itself
// counts by thread, and a Go program changes threads; so strace stops the server behind every call,
// and the stepper counts and lets it go on.
type stepper struct {
	kinds  string // that strace stops at
	counts func(call) bool
	n      int // 0: never
}

// run begins to do something, and returns when the server stands still, or when all is done. The
// outcome is sent to done in either case.
func (p stepper) run(t *testing.T, s *server, do func() error) (calls []call, held bool, done chan error) {
	t.Helper()
	standing, resume := make(chan struct{}), func() { _ = s.process.cmd.Process.Signal(syscall.SIGCONT) }
	reached := false
	trace := &tracer{saw: func(c call) {
		if p.counts(c) && !reached {
			calls = append(calls, c)
			reached = len(calls) == p.n
		}
	}}
	stood := false
	trace.stopped = func() {
		switch {
		case !reached:
			resume()
		case !stood:
			stood = true
			close(standing)
		}
	}
	strace := s.attach(t, trace, "-e", "trace="+p.kinds, "-e", "inject="+p.kinds+":signal=SIGSTOP")
	done = make(chan error, 1)
	outcome := make(chan error, 1)
	go func() { outcome <- do() }() // ends with what it does, at the latest with the server
	select {
	case <-standing:
		held = true
		go func() { done <- <-outcome }() // ends with the one above
	case err := <-outcome:
		done <- err
	case <-time.After(patience):
		t.Fatalf("the server did neither stop behind call %d nor come to an end", p.n)
	}
	detach(t, strace)
	if !held {
		resume()
	}
	return calls, held, done
}

// watch returns the calls of some kinds that a server makes while something is done.
func (s *server) watch(t *testing.T, kinds string, do func()) []call {
	t.Helper()
	var calls []call
	strace := s.attach(t, &tracer{saw: func(c call) { calls = append(calls, c) }}, "-e", "trace="+kinds)
	do()
	detach(t, strace)
	return calls
}

// failNext makes the next call of a kind fail in a server that stands still, once, and lets it go on. With a
// file only calls on that file count. It returns the call that failed, or none if what the server does came
// to its end without one.
func (s *server) failNext(t *testing.T, kind, file, errno string, done chan error) (failed call) {
	t.Helper()
	hit := make(chan struct{})
	stood := false
	trace := &tracer{
		saw: func(c call) {
			if strings.Contains(c.text, "(INJECTED)") && failed.name == "" {
				failed = c
			}
		},
		stopped: func() {
			if !stood {
				stood = true
				close(hit)
			}
		},
	}
	args := []string{"-e", "trace=" + kind, "-e", fmt.Sprintf("inject=%s:error=%s:signal=SIGSTOP:when=1", kind, errno)}
	if file != "" {
		args = append(args, "-P", file)
	}
	resume := func() { _ = s.process.cmd.Process.Signal(syscall.SIGCONT) } // it may have ended
	strace := s.attach(t, trace, args...)
	resume()
	select {
	case <-hit:
	case err := <-done:
		done <- err // there is room, as it was taken from there
	case <-s.process.done:
	case <-time.After(patience):
		t.Errorf("the server made no call of %s", kind)
	}
	detach(t, strace)
	resume()
	return failed
}
