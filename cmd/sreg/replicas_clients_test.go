package main_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci/ocitest"
)

// TestRealClientsOnReplicas sends each request of real clients to another replica, where blobs come by a
// redirect to the service, and where they come through the replicas.
func TestRealClientsOnReplicas(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]replicaOptions{"with redirects": {LateReads: true}, "without redirects": {Stream: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReplicas(t, opts)
			craneOnReplicas(t, r)
			orasOnReplicas(t, r)
			skopeoOnReplicas(t, r)
			if got := r.redirects(t); got == opts.Stream {
				t.Errorf("blobs are answered with a redirect: got %t, want %t", got, !opts.Stream)
			}
			r.wantAllWhole(t)
			checkBucket(t, r.bucket)
		})
	}
}

func craneOnReplicas(t *testing.T, r *replicas) {
	t.Helper()
	crane := func(args ...string) string { return strings.TrimSpace(run(t, "crane", args...)) }
	crane("push", writeTarball(t, newImage(t), "x:1"), r.address+"/team/app:1")
	crane("copy", r.address+"/team/app:1", r.address+"/other/app:2")
	crane("tag", r.address+"/team/app:1", "Latest")
	for _, s := range r.members {
		if got := crane("ls", s.address+"/team/app"); got != "1\nLatest" {
			t.Errorf("ls at %s: got %q", s.address, got)
		}
		if got := crane("catalog", s.address); got != "other/app\nteam/app" {
			t.Errorf("catalog at %s: got %q", s.address, got)
		}
		crane("validate", "--remote", s.address+"/other/app:2")
	}
	crane("pull", r.address+"/other/app:2", filepath.Join(t.TempDir(), "pulled.tar"))
	crane("delete", r.address+"/other/app@"+crane("digest", r.address+"/other/app:2"))
	if got := crane("ls", r.address+"/other/app"); got != "" {
		t.Errorf("ls after delete: got %q, want none", got)
	}
}

func orasOnReplicas(t *testing.T, r *replicas) {
	t.Helper()
	dir := t.TempDir()
	large := strings.Repeat("large enough for more than two parts ", 12<<20/37)
	writeFile(t, filepath.Join(dir, "doc.txt"), large)
	writeFile(t, filepath.Join(dir, "sbom.json"), "{}")
	oras := func(args ...string) string {
		cmd := command(t, "oras", args...)
		cmd.Dir = dir
		return runCmd(t, cmd)
	}
	oras("push", "--plain-http", r.address+"/art:1", "doc.txt:text/plain", "--artifact-type", "application/vnd.test.doc")
	oras("attach", "--plain-http", r.address+"/art:1", "sbom.json:application/json", "--artifact-type", "application/vnd.test.sbom")
	oras("cp", "-r", "--from-plain-http", "--to-plain-http", r.address+"/art:1", r.address+"/copy:1")
	if found := oras("discover", "--plain-http", r.address+"/copy:1", "--format", "json"); !strings.Contains(found, "application/vnd.test.sbom") {
		t.Errorf("the copy has no SBOM:\n%s", found)
	}
	oras("pull", "--plain-http", r.address+"/copy:1", "-o", "out")
	if got := readPage(t, filepath.Join(dir, "out", "doc.txt")); got != large {
		t.Errorf("pulled file: got %d bytes, want %d", len(got), len(large))
	}
}

func skopeoOnReplicas(t *testing.T, r *replicas) {
	t.Helper()
	skopeo := func(args ...string) {
		run(t, "skopeo", slices.Concat([]string{"--insecure-policy"}, args)...)
	}
	archive := "docker-archive:" + writeTarball(t, newImage(t), "x:1")
	skopeo("copy", "--dest-tls-verify=false", "--format", "v2s2", archive, "docker://"+r.address+"/sk/docker:1")
	skopeo("copy", "--dest-tls-verify=false", "--all", "oci:"+writeLayout(t)+":1", "docker://"+r.address+"/sk/index:1")
	skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--all", "docker://"+r.address+"/sk/index:1", "docker://"+r.address+"/sk/moved:1")
	skopeo("sync", "--src-tls-verify=false", "--src", "docker", "--dest", "dir", r.address+"/sk/docker", t.TempDir())
}

// redirects says how a replica answers who wants a blob.
func (r *replicas) redirects(t *testing.T) bool {
	t.Helper()
	w := newWire(t, r.server)
	if err := w.pushBlob(ocitest.Name("team/app"), "a blob to look at"); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(r.url("/v2/team/app/blobs/" + ocitest.DigestOf("a blob to look at").String()))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode == http.StatusTemporaryRedirect
}
