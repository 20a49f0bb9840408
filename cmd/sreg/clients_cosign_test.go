package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCosignSignsAndVerifies is slow to build for, so it runs with the slow tests.
func TestCosignSignsAndVerifies(t *testing.T) {
	t.Parallel()
	if !all() {
		t.Log("runs with make test-all")
		return
	}
	s := serve(t)
	dir := t.TempDir()
	ref := s.address + "/signed/app:1"
	run(t, "crane", "push", writeTarball(t, newImage(t), "x:1"), ref)
	digest := s.address + "/signed/app@" + strings.TrimSpace(run(t, "crane", "digest", ref))
	cosign := func(args ...string) *exec.Cmd {
		cmd := command(t, "cosign", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=", "COSIGN_EXPERIMENTAL=1", "COSIGN_YES=true", "HOME="+dir)
		return cmd
	}
	runCmd(t, cosign("generate-key-pair"))
	for _, mode := range []string{"legacy", "oci-1-1"} {
		sign := cosign("sign", "--key", filepath.Join(dir, "cosign.key"), "--tlog-upload=false", "--registry-referrers-mode="+mode, digest)
		runCmd(t, sign)
	}
	for _, mode := range []string{"false", "true"} {
		out := runCmd(t, cosign("verify", "--key", filepath.Join(dir, "cosign.pub"), "--insecure-ignore-tlog=true", "--experimental-oci11="+mode, digest))
		if !strings.Contains(out, "The signatures were verified") {
			t.Errorf("verify with experimental-oci11=%s: got\n%s", mode, out)
		}
	}
}
