package main_test

import (
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// startContainerd starts a containerd of a test's own, and returns its socket.
func startContainerd(t *testing.T) string {
	t.Helper()
	needRoot(t)
	addHost(t, "::1 "+tlsName)
	dir := shortDir(t)
	socket := filepath.Join(dir, "c.sock")
	config := filepath.Join(dir, "config.toml")
	writeFile(t, config, fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket))
	daemon := exec.Command(need(t, "containerd"), "--config", config)
	p := start(t, daemon)
	p.await(t, regexp.MustCompile(`containerd successfully booted`))
	t.Cleanup(func() {
		_ = daemon.Process.Signal(os.Interrupt)
		<-p.done
	})
	return socket
}

func TestContainerdPushesAndPulls(t *testing.T) {
	t.Parallel()
	socket := startContainerd(t)
	t.Run("over plain HTTP", func(t *testing.T) {
		containerdRoundTrip(t, socket, serve(t).address, "--plain-http")
	})
	t.Run("over TLS with an own CA", func(t *testing.T) {
		// ctr takes every loopback address for plain HTTP, so the server needs a name.
		s, ca := serveTLS(t, "[::1]:0")
		_, port, _ := strings.Cut(s.address, "]:")
		containerdRoundTrip(t, socket, tlsName+":"+port, "--tlscacert", ca.ca)
	})
}

func containerdRoundTrip(t *testing.T, socket, host string, transport ...string) {
	ctr := func(args ...string) string {
		return run(t, "ctr", append([]string{"--address", socket}, args...)...)
	}
	ref := host + "/ctr/app:1"
	ctr("images", "import", writeTarball(t, newImage(t), ref))
	ctr(slices.Concat([]string{"images", "push"}, transport, []string{ref})...)
	ctr("images", "rm", ref)
	ctr(slices.Concat([]string{"images", "pull", "--snapshotter", "native"}, transport, []string{ref})...)
	if got := ctr("images", "ls", "-q"); !strings.Contains(got, ref) {
		t.Errorf("images: want %s in\n%s", ref, got)
	}
	ctr("images", "rm", ref)
}

// TestContainerdBelowAPathOfAProxy has a proxy that passes the path on and leaves Location as it is.
func TestContainerdBelowAPathOfAProxy(t *testing.T) {
	t.Parallel()
	socket := startContainerd(t)
	var target atomic.Pointer[url.URL]
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target.Load())
		r.SetXForwarded()
	}})
	t.Cleanup(proxy.Close)
	s := serveConfigured(t, fmt.Sprintf(`
server:
  external_url: %s/registry
  trusted_proxies: [127.0.0.1]
auth: {users: [{name: alice, password_hash: %q}]}
policy: {rules: ["identity.username == 'alice'"]}`, proxy.URL, bcryptHash))
	target.Store(&url.URL{Scheme: "http", Host: s.address})
	host := strings.TrimPrefix(proxy.URL, "http://")
	hosts := t.TempDir()
	writeFile(t, filepath.Join(hosts, host, "hosts.toml"), fmt.Sprintf(
		"[host.%q]\n  capabilities = [\"pull\", \"resolve\", \"push\"]\n  override_path = true\n", proxy.URL+"/registry/v2"))
	containerdRoundTrip(t, socket, host, "--hosts-dir", hosts, "--user", "alice:correct horse")
}
