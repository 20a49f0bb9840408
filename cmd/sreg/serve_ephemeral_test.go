package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"
)

// ephemeral starts a server as a shell does that evaluates its output, and returns where it is. Its logs go to the
// process that is returned.
func ephemeral(t *testing.T, dir string, args ...string) (registry string, p *process) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command(binary, append([]string{"serve", "--ephemeral"}, args...)...)
	cmd.Dir, cmd.Stdout = dir, write
	p = start(t, cmd)
	write.Close()
	output := make([]byte, 1000)
	n := 0
	for err == nil { // until the server closes its end, or ends
		var got int
		got, err = read.Read(output[n:])
		n += got
	}
	match := regexp.MustCompile(`^export REGISTRY=(127\.0\.0\.1:[0-9]+)\n$`).FindSubmatch(output[:n])
	if match == nil {
		t.Fatalf("the server printed %q, want one line that exports REGISTRY", output[:n])
	}
	return string(match[1]), p
}

// TestAnEphemeralServerIsWhereItSaysAndLeavesNothing starts two at once while somebody else has the default port.
func TestAnEphemeralServerIsWhereItSaysAndLeavesNothing(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp", "127.0.0.1:5000"); err == nil { // else somebody has it indeed
		defer l.Close()
	}
	dir := t.TempDir()
	first, one := ephemeral(t, dir)
	second, two := ephemeral(t, dir)
	if first == second || strings.HasSuffix(first, ":5000") {
		t.Fatalf("they listen on %s and %s, want two ports that were free", first, second)
	}

	img := newImage(t)
	run(t, "crane", "push", writeTarball(t, img, "x:1"), first+"/team/app:1")
	run(t, "crane", "copy", first+"/team/app:1", second+"/copy:1")
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(run(t, "crane", "digest", second+"/copy:1")); got != want.String() {
		t.Errorf("got digest %s, want %s", got, want)
	}
	run(t, "crane", "validate", "--remote", second+"/copy:1")
	if got := strings.TrimSpace(run(t, "crane", "catalog", first)); got != "team/app" {
		t.Errorf("catalog of the first: got %q, want its own alone", got)
	}

	for _, p := range []*process{one, two} {
		p.signal(t, os.Interrupt)
		if err := p.wait(t); err != nil {
			t.Errorf("it ends with %v, want exit code 0", err)
		}
	}
	if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
		t.Errorf("it has made %v, %v, want nothing", made, err)
	}
}

// TestAnEphemeralServerThatIsFullHasRoomAgainAfterADelete fills it, and lets its collector run each second.
func TestAnEphemeralServerThatIsFullHasRoomAgainAfterADelete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "sreg.yaml")
	writeFile(t, config, `gc: {schedule: "@every 1s", jitter: 0s, grace: 5s, trash: 0s, untagged_after: 1ms}`)
	registry, p := ephemeral(t, dir, "--ephemeral-size", "10MiB", "-c", config, "--address", "127.0.0.1:0")
	push := func(tag string) (string, error) {
		img, err := random.Image(4<<20, 1)
		if err != nil {
			t.Fatal(err)
		}
		out, err := command(t, "crane", "push", writeTarball(t, img, "x:1"), registry+"/app:"+tag).CombinedOutput()
		return string(out), err
	}
	// A push that takes longer than gc.grace may have to be made again.
	pushed := func(tag string) {
		t.Helper()
		for end := time.Now().Add(patience); ; {
			out, err := push(tag)
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("push %s: %v\n%s", tag, err, out)
			}
		}
	}
	pushed("1")
	pushed("2")
	if out, err := push("3"); err == nil || !strings.Contains(out, "no space is left in the registry's store") {
		t.Fatalf("push of a third image of 4 MiB: %v, want that 10 MiB have no room for it\n%s", err, out)
	}
	run(t, "crane", "validate", "--remote", registry+"/app:2")

	run(t, "crane", "delete", registry+"/app@"+strings.TrimSpace(run(t, "crane", "digest", registry+"/app:1")))
	p.await(t, regexp.MustCompile(`"freed_bytes":4[0-9]{6},`)) // what the first image took is free again
	pushed("3")
	run(t, "crane", "validate", "--remote", registry+"/app:3")
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("it ends with %v, want exit code 0", err)
	}
}
