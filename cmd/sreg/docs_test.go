package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests of this file run what README.md and the pages of docs/ tell people to type. All blocks of
// a page that are marked as sh run in their order in one folder; a block that starts a server stays up
// until the next one does. What cannot run has a comment before it, which says why:
//
//	<!-- not run: it needs systemd -->
//
// A block of another language whose first line is a comment with a file name is written to that file.

const repository = "../.."

// standIns replace what a page needs and a test has not: the source tree as working directory, and
// Docker Hub.
var standIns = strings.NewReplacer("go run ./cmd/sreg", "sreg", "docker pull alpine\n", "docker load --input \"$ALPINE\"\n")

// block is one fenced block of a page.
type block struct {
	line     int
	language string
	text     string
	notRun   string // why it is not run, empty if it is
}

func TestTheCommandsOfTheDocsRun(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		blocks := blocksOf(t, page)
		if !slices.ContainsFunc(blocks, block.runs) {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			newReader(t, blocks).read(page, blocks)
		})
	}
}

func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil || len(list) < 5 {
		t.Fatalf("got %d pages, %v, want those of docs/", len(list), err)
	}
	return append(list, filepath.Join(repository, "README.md"))
}

var (
	fence  = regexp.MustCompile("^```([a-z]*)$")
	notRun = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
)

func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	var open *block
	reason := ""
	for i, line := range strings.Split(string(text), "\n") {
		match := fence.FindStringSubmatch(line)
		switch {
		case open != nil && line == "```":
			blocks = append(blocks, *open)
			open, reason = nil, ""
		case open != nil:
			open.text += line + "\n"
		case match != nil:
			open = &block{line: i + 1, language: match[1], notRun: reason}
		case notRun.MatchString(line):
			reason = notRun.FindStringSubmatch(line)[1]
		case line != "":
			reason = ""
		}
	}
	if open != nil {
		t.Errorf("%s:%d: this block does not end", page, open.line)
	}
	return blocks
}

func (b block) runs() bool { return b.language == "sh" && b.notRun == "" }

var serveLine = regexp.MustCompile(`(?m)^sreg serve\b`)

func (b block) serves() bool { return b.runs() && serveLine.MatchString(standIns.Replace(b.text)) }

// reader is somebody who types what a page says.
type reader struct {
	t       *testing.T
	dir     string
	environ []string
	server  *process
	port    string // of the server
}

func newReader(t *testing.T, blocks []block) *reader {
	t.Helper()
	r := &reader{t: t, dir: t.TempDir()}
	home, bin := t.TempDir(), t.TempDir()
	// Debian installs skopeo without a policy when nothing is recommended along with it.
	writeFile(t, filepath.Join(home, ".config/containers/policy.json"), `{"default": [{"type": "insecureAcceptAnything"}]}`)
	link(t, binary, filepath.Join(bin, "sreg"))
	r.environ = []string{"HOME=" + home, "PATH=" + bin + ":/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, program := range []string{"crane", "oras", "skopeo", "openssl", "curl", "docker", "ctr", "htpasswd"} {
		if mentions(blocks, program) {
			link(t, clientOf(t, program), filepath.Join(bin, program))
		}
	}
	if mentions(blocks, "docker") || mentions(blocks, "ctr") {
		daemon := startDockerd(t)
		r.environ = append(r.environ,
			"DOCKER_HOST=unix://"+daemon.socket, "ALPINE="+writeTarball(t, newImage(t), "alpine:latest"),
			"CONTAINERD_ADDRESS="+filepath.Join(filepath.Dir(daemon.socket), "exec/containerd/containerd.sock"), "CONTAINERD_SNAPSHOTTER=native")
	}
	return r
}

// clientOf prefers Debian's docker: another one on the path may speak an API that the daemon does not.
func clientOf(t *testing.T, program string) string {
	if program == "docker" {
		return need(t, "/usr/bin/docker")
	}
	return need(t, program)
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

func mentions(blocks []block, program string) bool {
	word := regexp.MustCompile(`(?m)(^|[ (|])` + program + ` `)
	return slices.ContainsFunc(blocks, func(b block) bool { return b.runs() && word.MatchString(b.text) })
}

func (r *reader) read(page string, blocks []block) {
	r.t.Helper()
	if !slices.ContainsFunc(blocks, block.serves) {
		r.serve("sreg serve\n") // the page takes a server for granted
	}
	for _, b := range blocks {
		r.write(b)
		switch {
		case b.serves():
			r.serve(standIns.Replace(b.text))
		case b.runs():
			r.run(fmt.Sprintf("%s:%d", page, b.line), standIns.Replace(b.text))
		}
	}
	r.stop()
}

var (
	fileName = regexp.MustCompile(`^# ([a-z0-9-]+\.[a-z]+)\n`)
	address  = regexp.MustCompile(`(127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1\]):5000\b`)
)

// write makes the file that a block shows. The addresses in it become free ports of loopback.
func (r *reader) write(b block) {
	r.t.Helper()
	if match := fileName.FindStringSubmatch(b.text); match != nil && b.language != "sh" && b.notRun == "" {
		writeFile(r.t, filepath.Join(r.dir, match[1]), address.ReplaceAllString(b.text, "127.0.0.1:0"))
	}
}

// serve starts a server on a free port and waits until it says which.
func (r *reader) serve(text string) {
	r.t.Helper()
	r.stop()
	text = address.ReplaceAllString(strings.TrimSpace(text), "127.0.0.1:0")
	if !strings.Contains(text, "--address") && !strings.Contains(text, "-c ") {
		text += " --address 127.0.0.1:0"
	}
	cmd := exec.Command("/bin/bash", "-c", "exec "+text)
	cmd.Dir, cmd.Env = r.dir, r.environ
	r.server = start(r.t, cmd)
	r.port = r.server.await(r.t, regexp.MustCompile(`address\s+https?://\S+:(\d+)\n`))[1]
}

// stop ends the server as Ctrl-C does, and expects exit code 0.
func (r *reader) stop() {
	r.t.Helper()
	if r.server == nil {
		return
	}
	r.server.signal(r.t, os.Interrupt)
	if err := r.server.wait(r.t); err != nil {
		r.t.Errorf("stop the server: got %v, want exit code 0\n%s", err, r.server.output())
	}
	r.server = nil
}

var makeLine = regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ )*make(?: ([a-z0-9-]+))?(?: [A-Z_]+=\S+)*( *#.*)?\n`)

// run types a block, all but make: that is how this test is run.
func (r *reader) run(where, text string) {
	r.t.Helper()
	for _, match := range makeLine.FindAllStringSubmatch(text, -1) {
		r.wantTarget(where, match[1])
	}
	text = address.ReplaceAllString(makeLine.ReplaceAllString(text, ""), "$1:"+r.port)
	cmd := command(r.t, "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir, cmd.Env = r.dir, r.environ
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s\n%s", where, err, text, out)
	}
}

func (r *reader) wantTarget(where, target string) {
	r.t.Helper()
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		r.t.Fatal(err)
	}
	if target != "" && !strings.Contains(string(makefile), "\n"+target+":") {
		r.t.Errorf("%s: make has no target %s", where, target)
	}
}
