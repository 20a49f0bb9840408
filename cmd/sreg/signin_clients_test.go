package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCraneSignsIn(t *testing.T) {
	t.Parallel()
	signIns(t, client{
		cannot: map[string]string{byCertificate: "crane has no client certificates"},
		push:   cranePush,
		pull: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return runCrane(t, s, who, "pull", ref, filepath.Join(t.TempDir(), "pulled.tar"))
		},
	})
}

func cranePush(t *testing.T, s *site, who login, ref string) (string, error) {
	return runCrane(t, s, who, "push", writeTarball(t, newImage(t), "x:1"), ref)
}

// runCrane signs in first; crane only writes that down.
func runCrane(t *testing.T, s *site, who login, args ...string) (string, error) {
	environ := append(os.Environ(), "DOCKER_CONFIG="+t.TempDir())
	if s.ca != nil {
		environ = append(environ, "SSL_CERT_FILE="+s.ca.ca)
	}
	crane := command(t, "crane", args...)
	crane.Env = environ
	if who.user == "" {
		return steps(crane)
	}
	in := command(t, "crane", "auth", "login", s.host, "-u", who.user, "--password-stdin")
	in.Env, in.Stdin = environ, strings.NewReader(who.password)
	return steps(in, crane)
}

func TestSkopeoSignsIn(t *testing.T) {
	t.Parallel()
	// skopeo calls its options by the side of the copy; login has none.
	transport := func(t *testing.T, s *site, who login, side string) []string {
		if s.ca == nil {
			return []string{"--" + side + "tls-verify=false"}
		}
		return []string{"--" + side + "cert-dir", s.certDir(t, who, t.TempDir())}
	}
	copyAs := func(t *testing.T, s *site, who login, side string, from, to string) (string, error) {
		args := append([]string{"--insecure-policy", "copy"}, transport(t, s, who, side)...)
		if who.user == "" {
			args = append(args, "--"+side+"no-creds")
		} else {
			args = append(args, "--"+side+"creds", who.user+":"+who.password)
		}
		return steps(command(t, "skopeo", append(args, from, to)...))
	}
	signIns(t, client{
		login: func(t *testing.T, s *site, who login) (string, error) {
			args := []string{"login", "--authfile", filepath.Join(t.TempDir(), "auth.json"), "-u", who.user, "--password-stdin", s.host}
			cmd := command(t, "skopeo", append(args, transport(t, s, who, "")...)...)
			cmd.Stdin = strings.NewReader(who.password)
			return steps(cmd)
		},
		push: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return copyAs(t, s, who, "dest-", "docker-archive:"+writeTarball(t, newImage(t), "x:1"), "docker://"+ref)
		},
		pull: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return copyAs(t, s, who, "src-", "docker://"+ref, "dir:"+t.TempDir())
		},
	})
}

func TestOrasSignsIn(t *testing.T) {
	t.Parallel()
	transport := func(s *site, who login) []string {
		args := []string{"--plain-http"}
		if s.ca != nil {
			args = []string{"--plain-http=false", "--ca-file", s.ca.ca}
		}
		if who.cert != "" {
			args = append(args, "--cert-file", who.cert, "--key-file", who.key)
		}
		return args
	}
	run := func(t *testing.T, s *site, who login, dir string, args ...string) (string, error) {
		args = append(args, transport(s, who)...)
		args = append(args, "--registry-config", filepath.Join(t.TempDir(), "config.json"))
		if who.user != "" {
			args = append(args, "--username", who.user, "--password-stdin")
		}
		cmd := command(t, "oras", args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(who.password)
		return steps(cmd)
	}
	signIns(t, client{
		login: func(t *testing.T, s *site, who login) (string, error) {
			return run(t, s, who, t.TempDir(), "login", s.host)
		},
		push: func(t *testing.T, s *site, who login, ref string) (string, error) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "doc.txt"), "hello "+t.Name())
			return run(t, s, who, dir, "push", ref, "doc.txt:text/plain")
		},
		pull: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return run(t, s, who, t.TempDir(), "pull", ref)
		},
	})
}

// TestCosignSignsIn is slow to build for, so it runs with the slow tests. cosign pushes a signature of what
// is there, and pulls it to verify it.
func TestCosignSignsIn(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	keys := t.TempDir()
	cosign := func(t *testing.T, args ...string) *exec.Cmd {
		cmd := command(t, "cosign", args...)
		cmd.Dir = keys
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=", "COSIGN_YES=true", "HOME="+t.TempDir())
		return cmd
	}
	runCmd(t, cosign(t, "generate-key-pair"))
	run := func(t *testing.T, s *site, who login, ref string, args ...string) (string, error) {
		if s.ca != nil {
			args = append(args, "--registry-cacert", s.ca.ca)
		}
		if who.user != "" {
			args = append(args, "--registry-username", who.user, "--registry-password", who.password)
		}
		if who.cert != "" {
			args = append(args, "--registry-client-cert", who.cert, "--registry-client-key", who.key)
		}
		return steps(cosign(t, append(args, ref)...))
	}
	signIns(t, client{
		seed: func(t *testing.T, s *site, ref string) {
			works(t, "push of an image to sign", cranePush, s, alice, ref)
		},
		push: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return run(t, s, who, ref, "sign", "--key", "cosign.key", "--tlog-upload=false")
		},
		pull: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return run(t, s, who, ref, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true")
		},
	})
}
