package main_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// atTheDoor signs in to a proxy in front of the registry, which does not know it.
var atTheDoor = login{user: "door", password: "open sesame"}

// behindNginx puts nginx before a server, which asks for a password of its own, and returns the address of nginx. further
// are lines of its location.
func behindNginx(t *testing.T, s *server, further string) string {
	t.Helper()
	dir := shortDir(t)
	run(t, "htpasswd", "-cbB", filepath.Join(dir, "door"), atTheDoor.user, atTheDoor.password)
	socket := filepath.Join(dir, "s")
	config := filepath.Join(dir, "nginx.conf")
	writeFile(t, config, fmt.Sprintf(`daemon off; user root; pid %[1]s/pid; error_log stderr notice; worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/g;
  server {
    listen unix:%[2]s;
    client_max_body_size 0;
    location / {
      auth_basic "the door";
      auth_basic_user_file %[1]s/door;
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      %[4]s
    }
  }
}
`, dir, socket, s.address, further))
	p := start(t, exec.Command(need(t, "nginx"), "-e", "stderr", "-c", config))
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it ends its worker; Kill would leave that behind
		<-p.done
	})
	p.await(t, regexp.MustCompile(`start worker process `))
	return forwardTo(t, socket)
}

// forwardTo is an address that leads to a unix socket.
func forwardTo(t *testing.T, socket string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() { // ends with the listener
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(client, socket) // ends with one of its connections
		}
	}()
	return listener.Addr().String()
}

func forward(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { // ends when either is closed
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

// TestClientsBehindAProxyThatAsksForAPassword: nginx passes its own password on to a registry where nobody can sign in,
// which does not look at it. It runs with the slow tests, for nginx and podman are heavy.
func TestClientsBehindAProxyThatAsksForAPassword(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	d := startDockerd(t)
	for _, tt := range []struct {
		name, config, further string
		login                 bool // whether docker login and the like work, which ask at /v2/ alone
	}{
		{"nobody can sign in to the registry", "policy: {default: allow}", "", true},
		{"the registry has users, and the proxy keeps its password", "auth: {users_file: USERS}\npolicy: {default: allow}", `proxy_set_header Authorization "";`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			users := filepath.Join(t.TempDir(), "users")
			writeUsers(t, users)
			s := serveConfigured(t, strings.ReplaceAll(tt.config, "USERS", users))
			registry := &site{server: s, host: behindNginx(t, s, tt.further)}
			for name, client := range clientsOf(d) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					ref := registry.host + "/app/" + name + ":1"
					works(t, "push", client, registry, atTheDoor, ref)
					fails(t, "push with a wrong password", client, registry, login{user: atTheDoor.user, password: "wrong"}, ref, needsLogin)
				})
			}
			in := command(t, "skopeo", "login", "--tls-verify=false", "--authfile", filepath.Join(t.TempDir(), "auth.json"), "-u", atTheDoor.user, "-p", atTheDoor.password, registry.host)
			if out, err := steps(in); (err == nil) != tt.login {
				t.Errorf("skopeo login: got %v, want that it works: %v\n%s", err, tt.login, out)
			}
		})
	}
}

// clientsOf push an image and pull it again.
func clientsOf(d dockerd) map[string]act {
	return map[string]act{
		"crane": func(t *testing.T, s *site, who login, ref string) (string, error) {
			if out, err := cranePush(t, s, who, ref); err != nil {
				return out, err
			}
			return runCrane(t, s, who, "pull", ref, filepath.Join(t.TempDir(), "pulled.tar"))
		},
		"skopeo": func(t *testing.T, _ *site, who login, ref string) (string, error) {
			creds := who.user + ":" + who.password
			return steps(
				command(t, "skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", creds, "docker-archive:"+writeTarball(t, newImage(t), "x:1"), "docker://"+ref),
				command(t, "skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "--src-creds", creds, "docker://"+ref, "dir:"+t.TempDir()))
		},
		"podman": func(t *testing.T, _ *site, who login, ref string) (string, error) {
			dir := shortDir(t)
			policy := filepath.Join(dir, "policy.json")
			writeFile(t, policy, `{"default": [{"type": "insecureAcceptAnything"}]}`)
			podman := func(args ...string) *exec.Cmd {
				return command(t, "podman", append([]string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}, args...)...)
			}
			creds := who.user + ":" + who.password
			return steps(podman("load", "--signature-policy", policy, "-i", writeTarball(t, newImage(t), ref)),
				podman("push", "--signature-policy", policy, "--tls-verify=false", "--creds", creds, ref),
				podman("rmi", ref), podman("pull", "--signature-policy", policy, "--tls-verify=false", "--creds", creds, ref))
		},
		"docker": func(t *testing.T, s *site, who login, ref string) (string, error) {
			folder := t.TempDir()
			docker := func(args ...string) *exec.Cmd {
				cmd := command(t, "/usr/bin/docker", args...)
				cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+d.socket, "DOCKER_CONFIG="+folder)
				return cmd
			}
			// crane writes docker's config file and asks nobody.
			in := command(t, "crane", "auth", "login", s.host, "-u", who.user, "-p", who.password)
			in.Env = append(os.Environ(), "DOCKER_CONFIG="+folder)
			return steps(in, docker("load", "-i", writeTarball(t, newImage(t), ref)), docker("push", ref), docker("rmi", ref), docker("pull", ref))
		},
	}
}
