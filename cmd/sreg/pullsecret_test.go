package main_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// dockerFile is docker's config file, as docker, podman and skopeo write it, and as Kubernetes wants it in a secret of
// the type kubernetes.io/dockerconfigjson.
type dockerFile struct {
	Auths map[string]struct {
		Username, Password string
		Auth               string // user:password in base64
		IdentityToken      string // what no kubelet reads
	} `json:"auths"`
}

// pullCredentials are what a kubelet takes of the file for a registry: the field auth before the others.
func pullCredentials(t *testing.T, file, host string) (user, password string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var read dockerFile
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	entry, there := read.Auths[host]
	if !there {
		t.Fatalf("want an entry %s in %s", host, text)
	}
	if entry.Auth == "" {
		return entry.Username, entry.Password
	}
	decoded, err := base64.StdEncoding.DecodeString(entry.Auth)
	user, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok {
		t.Fatalf("want base64 of user:password, got %q, %v", decoded, err)
	}
	return user, password
}

// TestPullSecrets: the file of docker login is one that skopeo, podman and Kubernetes can use. With refresh: always it
// has a refresh token in it, which docker alone can use.
func TestPullSecrets(t *testing.T) {
	t.Parallel()
	d := startDockerd(t)
	for _, tt := range []struct {
		refresh string
		usable  bool
	}{{"docker", true}, {"never", true}, {"always", false}} {
		t.Run("refresh: "+tt.refresh, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{Refresh: tt.refresh})
			folder := t.TempDir()
			file, image := filepath.Join(folder, "config.json"), s.host+"/team/"+tt.refresh+":1"
			docker := func(args ...string) *exec.Cmd {
				cmd := command(t, "/usr/bin/docker", args...)
				cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+d.socket, "DOCKER_CONFIG="+folder)
				return cmd
			}
			runCmd(t, docker("load", "-i", writeTarball(t, newImage(t), image)))
			if out, err := dockerLogin(docker, s, alice); err != nil {
				t.Fatalf("docker login: %v\n%s", err, out)
			}
			runCmd(t, docker("push", image))
			runCmd(t, docker("pull", image))
			if out, err := dockerLogin(docker, s, login{user: alice.user, password: "wrong horse"}); err == nil || !needsLogin.MatchString(out) {
				t.Errorf("docker login with a wrong password: got %v, want that it says %s\n%s", err, needsLogin, out)
			}
			if user, password := pullCredentials(t, file, s.host); (user == alice.user && password == alice.password) != tt.usable {
				t.Errorf("a kubelet signs in as %q with a password of %d characters, want that it can: %v", user, len(password), tt.usable)
			}
			pulled := func(program string, args ...string) {
				t.Helper()
				out, err := steps(command(t, program, append(args, "--authfile", file)...))
				if (err == nil) != tt.usable {
					t.Errorf("%s: got %v, want that it can: %v\n%s", program, err, tt.usable, out)
				}
			}
			pulled("skopeo", "login", "--tls-verify=false", "-u", alice.user, "-p", alice.password, s.host)
			if all() {
				pulled("podman", "login", "--tls-verify=false", "-u", alice.user, "-p", alice.password, s.host)
			}
			if tt.usable {
				pulled("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://"+image, "dir:"+t.TempDir())
				runCmd(t, docker("pull", image)) // podman and skopeo leave a file that docker can use
			}
		})
	}
}

func dockerLogin(docker func(...string) *exec.Cmd, s *site, who login) (string, error) {
	in := docker("login", "-u", who.user, "--password-stdin", s.host)
	in.Stdin = strings.NewReader(who.password)
	return steps(in)
}

// TestAStalePasswordKeepsNobodyFromWhatIsPublic, and from all else it does.
func TestAStalePasswordKeepsNobodyFromWhatIsPublic(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	stale := login{user: "alice", password: "the horse of last year"}
	for _, ref := range []string{"/public/app:1", "/team/app:1"} {
		works(t, "push", cranePush, s, alice, s.host+ref)
	}
	crane := func(t *testing.T, s *site, who login, ref string) (string, error) {
		return runCrane(t, s, who, "manifest", ref)
	}
	skopeo := func(t *testing.T, _ *site, who login, ref string) (string, error) {
		return steps(command(t, "skopeo", "inspect", "--tls-verify=false", "--creds", who.user+":"+who.password, "docker://"+ref))
	}
	for name, pull := range map[string]act{"crane": crane, "skopeo": skopeo} {
		works(t, name+" of a public image", pull, s, stale, s.host+"/public/app:1")
		fails(t, name+" of a private image", pull, s, stale, s.host+"/team/app:1", regexp.MustCompile(`(?i)unauthorized|authentication required|denied`))
	}
	in := command(t, "skopeo", "login", "--tls-verify=false", "--authfile", filepath.Join(t.TempDir(), "auth.json"), "-u", stale.user, "-p", stale.password, s.host)
	if out, err := steps(in); err == nil || !needsLogin.MatchString(out) {
		t.Errorf("skopeo login with a stale password: got %v, want that it says %s\n%s", err, needsLogin, out)
	}
}
