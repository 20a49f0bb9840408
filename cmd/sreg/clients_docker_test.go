package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dockerd is a Docker daemon of a test's own.
type dockerd struct{ socket string }

func startDockerd(t *testing.T) dockerd {
	t.Helper()
	needRoot(t)
	addHost(t, "::1 "+tlsName) // before the daemon reads the file, which it then remembers for a while
	dir := shortDir(t)
	d := dockerd{socket: filepath.Join(dir, "d.sock")}
	cmd := exec.Command(need(t, "dockerd"),
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
		"--data-root", filepath.Join(dir, "root"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--config-file", filepath.Join(dir, "none.json"), "-H", "unix://"+d.socket)
	writeFile(t, filepath.Join(dir, "none.json"), "{}")
	p := start(t, cmd)
	p.await(t, regexp.MustCompile(`API listen on`))
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it ends its own containerd; Kill would leave that behind
		<-p.done
	})
	return d
}

// docker runs Debian's client: another one on the path may speak an API that the daemon does not.
func (d dockerd) docker(t *testing.T, args ...string) string {
	t.Helper()
	cmd := command(t, "/usr/bin/docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+d.socket, "DOCKER_CONFIG="+t.TempDir())
	return strings.TrimSpace(runCmd(t, cmd))
}

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sreg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestDockerLoadsPushesPullsByTagAndDigestAndSaves(t *testing.T) {
	t.Parallel()
	d := startDockerd(t)
	t.Run("over plain HTTP", func(t *testing.T) { dockerRoundTrip(t, d, serve(t).address) })
	t.Run("over TLS with an own CA", func(t *testing.T) {
		s, ca := serveTLS(t, "[::1]:0")
		_, port, _ := strings.Cut(s.address, "]:")
		host := tlsName + ":" + port
		trust := filepath.Join("/etc/docker/certs.d", host)
		t.Cleanup(func() { os.RemoveAll(trust) })
		pem, err := os.ReadFile(ca.ca)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(trust, "ca.crt"), string(pem))
		dockerRoundTrip(t, d, host)
	})
}

func dockerRoundTrip(t *testing.T, d dockerd, host string) {
	img := newImage(t)
	ref := host + "/docker/app:1"
	d.docker(t, "load", "-i", writeTarball(t, img, ref))
	out := d.docker(t, "push", ref)
	match := regexp.MustCompile(`digest: (sha256:[0-9a-f]{64})`).FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("push: want a digest in\n%s", out)
	}
	d.docker(t, "rmi", ref)
	d.docker(t, "pull", ref)
	d.docker(t, "rmi", ref)
	byDigest := host + "/docker/app@" + match[1]
	d.docker(t, "pull", byDigest)
	saved := filepath.Join(t.TempDir(), "saved.tar")
	d.docker(t, "save", "-o", saved, byDigest)
	if info, err := os.Stat(saved); err != nil || info.Size() == 0 {
		t.Errorf("save: got %v, %v", info, err)
	}
	d.docker(t, "rmi", byDigest)
}

// addHost writes a line to /etc/hosts unless it is there. It stays: another test may need it, and
// the name leads to loopback.
func addHost(t *testing.T, line string) {
	t.Helper()
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(hosts), line) {
		return
	}
	f, err := os.OpenFile("/etc/hosts", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("\n" + line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// TestDockerIsToldWhatIsWrongOverTLSOnLoopback: docker takes 127.0.0.0/8 for insecure, asks there by plain HTTP when HTTPS
// was refused, and shows the answer to that.
func TestDockerIsToldWhatIsWrongOverTLSOnLoopback(t *testing.T) {
	t.Parallel()
	d, a, dir := startDockerd(t), newAuthority(t), t.TempDir()
	users := filepath.Join(dir, "users")
	writeUsers(t, users)
	for _, tokens := range []string{"true", "false"} {
		config := filepath.Join(dir, tokens+".yaml")
		writeFile(t, config, fmt.Sprintf(`
server:
  listeners: [{name: main, address: "127.0.0.1:0", tls: true}]
  tls: {cert_file: %s, key_file: %s}
auth: {users_file: %s, token: {enabled: %s}}
policy: {rules: ["identity.username != null"]}
`, a.cert, a.key, users, tokens))
		s := serve(t, "-c", config)
		docker := func(args ...string) string {
			cmd := command(t, "/usr/bin/docker", args...)
			cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+d.socket, "DOCKER_CONFIG="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("docker %s works, want an error", args[0])
			}
			return string(out)
		}
		for _, out := range []string{docker("login", "-u", "alice", "-p", "wrong", s.address), docker("pull", s.address+"/team/app")} {
			if !strings.Contains(strings.ToLower(out), "unauthorized") || strings.Contains(out, "400") {
				t.Errorf("with tokens %s docker says %s, want that it is unauthorized", tokens, out)
			}
		}
	}
}
