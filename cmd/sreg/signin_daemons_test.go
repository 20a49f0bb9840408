package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDockerSignsIn(t *testing.T) {
	t.Parallel()
	d := startDockerd(t)
	// as makes docker commands of somebody with a home of their own. docker knows a certificate by the
	// registry's name, whoever asks.
	as := func(t *testing.T, s *site, who login) func(args ...string) *exec.Cmd {
		if s.ca != nil {
			trust := filepath.Join("/etc/docker/certs.d", s.host)
			t.Cleanup(func() { os.RemoveAll(trust) })
			s.certDir(t, who, trust)
		}
		environ := append(os.Environ(), "DOCKER_HOST=unix://"+d.socket, "DOCKER_CONFIG="+t.TempDir())
		return func(args ...string) *exec.Cmd {
			cmd := command(t, "/usr/bin/docker", args...)
			cmd.Env = environ
			return cmd
		}
	}
	logIn := func(docker func(...string) *exec.Cmd, s *site, who login) []*exec.Cmd {
		if who.user == "" {
			return nil
		}
		in := docker("login", "-u", who.user, "--password-stdin", s.host)
		in.Stdin = strings.NewReader(who.password)
		return []*exec.Cmd{in}
	}
	signIns(t, client{
		named:       true,
		noStrangers: "docker without credentials stops at a Basic challenge",
		login: func(t *testing.T, s *site, who login) (string, error) {
			return steps(logIn(as(t, s, who), s, who)...)
		},
		push: func(t *testing.T, s *site, who login, ref string) (string, error) {
			docker := as(t, s, who)
			runCmd(t, docker("load", "-i", writeTarball(t, newImage(t), ref)))
			defer func() { _ = docker("rmi", ref).Run() }() // it must not be there when it is pulled
			return steps(append(logIn(docker, s, who), docker("push", ref))...)
		},
		pull: func(t *testing.T, s *site, who login, ref string) (string, error) {
			docker := as(t, s, who)
			defer func() { _ = docker("rmi", ref).Run() }()
			return steps(append(logIn(docker, s, who), docker("pull", ref))...)
		},
	})
}

func TestContainerdSignsIn(t *testing.T) {
	t.Parallel()
	socket := startContainerd(t)
	transport := func(s *site, who login) []string {
		if s.ca == nil {
			return []string{"--plain-http"}
		}
		args := []string{"--tlscacert", s.ca.ca}
		if who.cert != "" {
			args = append(args, "--tlscert", who.cert, "--tlskey", who.key)
		}
		return args
	}
	ctr := func(t *testing.T, args ...string) *exec.Cmd {
		return command(t, "ctr", append([]string{"--address", socket, "images"}, args...)...)
	}
	run := func(t *testing.T, s *site, who login, verb []string, ref string) (string, error) {
		defer func() { _ = ctr(t, "rm", "--sync", ref).Run() }() // it must not be there when it is pulled
		args := slices.Concat(verb, transport(s, who))
		if who.user != "" {
			args = append(args, "--user", who.user+":"+who.password)
		}
		return steps(ctr(t, append(args, ref)...))
	}
	signIns(t, client{
		named: true,
		push: func(t *testing.T, s *site, who login, ref string) (string, error) {
			runCmd(t, ctr(t, "import", writeTarball(t, newImage(t), ref)))
			return run(t, s, who, []string{"push"}, ref)
		},
		pull: func(t *testing.T, s *site, who login, ref string) (string, error) {
			return run(t, s, who, []string{"pull", "--snapshotter", "native"}, ref)
		},
	})
}
