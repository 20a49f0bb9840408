package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// bcryptHash is "correct horse" as htpasswd has hashed it.
const bcryptHash = "$2y$05$/N3n9u5AYFFcOiEOKLtxL.KJ1ClCGN/8ZZk/eKZDbO0OEa5sAKBWm"

func TestHtpasswdAndSregReadEachOthersFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	run(t, "htpasswd", "-cbB", file, "alice", "correct horse")
	run(t, "htpasswd", "-bBC", "10", file, "bob", "plover kettle ninety")

	// sreg reads what htpasswd has written, and nothing weaker than that.
	verify := func(name, password string) *exec.Cmd {
		cmd := exec.Command(binary, "user", "verify", name, "--password-stdin", "--file", file)
		cmd.Stdin = strings.NewReader(password)
		return cmd
	}
	runCmd(t, verify("alice", "correct horse"))
	runCmd(t, verify("bob", "plover kettle ninety"))
	wantExit(t, verify("bob", "correct horse"), 1)
	weak := filepath.Join(t.TempDir(), "weak")
	for i, kind := range []string{"-m", "-s", "-d", "-p", "-2", "-5"} {
		name := fmt.Sprintf("user%d", i)
		create := "-b"
		if i == 0 {
			create = "-cb"
		}
		run(t, "htpasswd", create, kind, weak, name, "correct")
	}
	out, err := exec.Command(binary, "user", "list", "--file", weak).CombinedOutput()
	if refused := strings.Count(string(out), "set the password again\n"); err == nil || refused != 6 {
		t.Errorf("got %v and %d refused lines, want all 6 kinds:\n%s", err, refused, out)
	}

	// htpasswd reads what sreg leaves of a file of bcrypt, whatever stands around it.
	run(t, binary, "user", "add", "carol", "--generate", "--file", file)
	run(t, binary, "user", "remove", "bob", "--file", file)
	run(t, "htpasswd", "-vb", file, "alice", "correct horse")
	wantExit(t, command(t, "htpasswd", "-vb", file, "alice", "wrong horse"), 3)
}

func wantExit(t *testing.T, cmd *exec.Cmd, want int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		t.Errorf("%s: got %v, want exit code %d\n%s", strings.Join(cmd.Args, " "), err, want, out)
	}
}

// manyUsers is a file of fifty users, with a comment before each.
func manyUsers(groups string) string {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "# number %d\n\nuser%02d:%s%s\n", i, i, bcryptHash, groups)
	}
	return b.String()
}

func TestFiftyProcessesSetUsersAndLoseNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	writeFile(t, file, manyUsers(""))
	var wg sync.WaitGroup
	for i := range 50 {
		cmd := command(t, binary, "user", "set", fmt.Sprintf("user%02d", i), "--group", "dev", "--file", file)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
			}
		})
	}
	wg.Wait()
	if got, want := readPage(t, file), manyUsers(":dev"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestAKilledWriterLeavesTheOldOrTheNewFile kills sreg user set at the first, second and every other call
// of each kind that touches files, until it comes to its end.
func TestAKilledWriterLeavesTheOldOrTheNewFile(t *testing.T) {
	t.Parallel()
	needRoot(t)
	before, after := manyUsers(""), strings.Replace(manyUsers(""), "user07:"+bcryptHash, "user07:"+bcryptHash+":dev", 1)
	var killed, old, changed int
	for _, call := range []string{"openat", "flock", "write", "fchown", "fchmod", "fsync", "renameat", "close"} {
		finished := false
		for n := 1; !finished; n++ {
			if n > 100 {
				t.Fatalf("%s: it is killed at each of 100 calls", call)
			}
			file := filepath.Join(t.TempDir(), "users")
			writeFile(t, file, before)
			finished = !killedAt(t, call, n, binary, "user", "set", "user07", "--group", "dev", "--file", file)
			switch got := readPage(t, file); {
			case got == after:
				changed++
			case got == before && !finished:
				old++
			default:
				t.Errorf("killed at %s %d: got\n%s", call, n, got)
			}
			if !finished {
				killed++
				run(t, binary, "user", "set", "user07", "--group", "dev", "--file", file) // nothing is left locked
			}
		}
	}
	t.Logf("killed %d times: %d old files, %d new ones", killed, old, changed)
	if old == 0 || changed < 9 { // each of 8 calls ends with a run that is not killed
		t.Errorf("got %d old and %d new files, want that it was killed before and after the change", old, changed)
	}
}

// killedAt runs a program that the kernel kills at its nth call of that kind, and says whether it did.
func killedAt(t *testing.T, call string, n int, program ...string) bool {
	t.Helper()
	args := append([]string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n)}, program...)
	cmd := command(t, "strace", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL: // strace ends as its program did
		return true
	default:
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out.String())
		return false
	}
}
