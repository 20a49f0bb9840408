package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// overBoth runs a client's test over plain HTTP and over TLS with an own CA.
func overBoth(t *testing.T, test func(t *testing.T, s *server, ca *authority)) {
	t.Helper()
	t.Run("over plain HTTP", func(t *testing.T) { test(t, serve(t), nil) })
	t.Run("over TLS with an own CA", func(t *testing.T) {
		s, a := serveTLS(t, "127.0.0.1:0")
		test(t, s, &a)
	})
}

func TestCranePushesPullsCopiesListsAndDeletes(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *server, ca *authority) {
		crane := func(args ...string) string {
			cmd := command(t, "crane", args...)
			if ca != nil {
				cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+ca.ca)
			}
			return strings.TrimSpace(runCmd(t, cmd))
		}
		img := newImage(t)
		crane("push", writeTarball(t, img, "x:1"), s.address+"/team/app:1")
		if got := crane("digest", s.address+"/team/app:1"); !strings.HasPrefix(got, "sha256:") {
			t.Errorf("digest: got %q", got)
		}
		crane("copy", s.address+"/team/app:1", s.address+"/other/app:2")
		crane("tag", s.address+"/team/app:1", "Latest")
		if got := crane("ls", s.address+"/team/app"); got != "1\nLatest" {
			t.Errorf("ls: got %q", got)
		}
		if got := crane("catalog", s.address); got != "other/app\nteam/app" {
			t.Errorf("catalog: got %q", got)
		}
		pulled := filepath.Join(t.TempDir(), "pulled.tar")
		crane("pull", s.address+"/other/app:2", pulled)
		crane("validate", "--remote", s.address+"/other/app:2")
		digest := crane("digest", s.address+"/other/app:2")
		crane("delete", s.address+"/other/app@"+digest)
		if got := crane("ls", s.address+"/other/app"); got != "" {
			t.Errorf("ls after delete: got %q, want none", got)
		}
	})
}

func TestOrasPushesAttachesDiscoversAndCopiesRecursively(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *server, ca *authority) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "doc.txt"), "hello")
		writeFile(t, filepath.Join(dir, "sbom.json"), "{}")
		oras := func(args ...string) string {
			tls := map[string][]string{"cp": {"--from-plain-http", "--to-plain-http"}}[args[0]]
			if tls == nil {
				tls = []string{"--plain-http"}
			}
			if ca != nil {
				tls = map[string][]string{"cp": {"--from-ca-file", ca.ca, "--to-ca-file", ca.ca, "--from-plain-http=false", "--to-plain-http=false"}}[args[0]]
				if tls == nil {
					tls = []string{"--ca-file", ca.ca, "--plain-http=false"}
				}
			}
			cmd := command(t, "oras", append(args, tls...)...)
			cmd.Dir = dir
			return runCmd(t, cmd)
		}
		oras("push", s.address+"/art:1", "doc.txt:text/plain", "--artifact-type", "application/vnd.test.doc")
		oras("attach", s.address+"/art:1", "sbom.json:application/json", "--artifact-type", "application/vnd.test.sbom")
		referrers := func(ref string) []string {
			var found struct {
				Referrers []struct {
					ArtifactType string `json:"artifactType"`
				} `json:"referrers"`
			}
			out := oras("discover", ref, "--format", "json")
			if err := json.Unmarshal([]byte(out), &found); err != nil {
				t.Fatalf("discover: %v\n%s", err, out)
			}
			var types []string
			for _, r := range found.Referrers {
				types = append(types, r.ArtifactType)
			}
			return types
		}
		oras("cp", "-r", s.address+"/art:1", s.address+"/copy:1")
		for _, ref := range []string{s.address + "/art:1", s.address + "/copy:1"} {
			if got := referrers(ref); !slices.Equal(got, []string{"application/vnd.test.sbom"}) {
				t.Errorf("referrers of %s: got %q", ref, got)
			}
		}
		oras("pull", s.address+"/copy:1", "-o", "out")
		if got, err := os.ReadFile(filepath.Join(dir, "out", "doc.txt")); err != nil || string(got) != "hello" {
			t.Errorf("pulled file: got %q, %v", got, err)
		}
	})
}

func TestSkopeoCopiesBothFormatsAndSyncs(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *server, ca *authority) {
		tls := func(side string) []string {
			if ca != nil {
				return []string{"--" + side + "-cert-dir", ca.dir}
			}
			return []string{"--" + side + "-tls-verify=false"}
		}
		skopeo := func(args ...[]string) string {
			return run(t, "skopeo", slices.Concat(append([][]string{{"--insecure-policy"}}, args...)...)...)
		}
		archive := "docker-archive:" + writeTarball(t, newImage(t), "x:1")
		skopeo([]string{"copy", "--format", "v2s2"}, tls("dest"), []string{archive, "docker://" + s.address + "/sk/docker:1"})
		skopeo([]string{"copy", "--format", "oci"}, tls("dest"), []string{archive, "docker://" + s.address + "/sk/oci:1"})
		skopeo([]string{"copy", "--all"}, tls("dest"), []string{"oci:" + writeLayout(t) + ":1", "docker://" + s.address + "/sk/index:1"})
		skopeo([]string{"copy", "--all"}, tls("src"), tls("dest"), []string{"docker://" + s.address + "/sk/index:1", "docker://" + s.address + "/sk/moved:1"})
		for repository, want := range map[string]string{
			"sk/docker": "application/vnd.docker.distribution.manifest.v2+json",
			"sk/oci":    "application/vnd.oci.image.manifest.v1+json",
			"sk/moved":  "application/vnd.oci.image.index.v1+json",
		} {
			raw := skopeo([]string{"inspect", "--raw"}, strip(tls("src"), "--src-", "--"), []string{"docker://" + s.address + "/" + repository + ":1"})
			if !strings.Contains(raw, want) {
				t.Errorf("%s: want media type %s in\n%s", repository, want, raw)
			}
		}
		out := t.TempDir()
		skopeo([]string{"sync", "--src", "docker", "--dest", "dir"}, tls("src"), []string{s.address + "/sk/docker", out})
		if found, _ := filepath.Glob(filepath.Join(out, "docker*", "manifest.json")); len(found) != 1 {
			t.Errorf("sync: got %v, want one image", found)
		}
	})
}

func strip(args []string, prefix, with string) []string {
	var stripped []string
	for _, arg := range args {
		if rest, ok := strings.CutPrefix(arg, prefix); ok {
			arg = with + rest
		}
		stripped = append(stripped, arg)
	}
	return stripped
}
