package snapshot_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/authn"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/httpapi/httpapitest"
	"github.com/sreg-project/sreg/internal/oci/ocitest"
	"github.com/sreg-project/sreg/internal/server"
	"github.com/sreg-project/sreg/internal/snapshot"
)

func newConfig(root string) *config.Config {
	cfg := config.Default()
	cfg.Storage.Blobs.FS.Root = root
	cfg.Storage.Blobs.FS.Sync = false
	cfg.Storage.MinFree = 0
	cfg.Server.Listeners = []server.Listener{{Name: "main", Address: "127.0.0.1:0"}}
	return &cfg
}

func shared() *snapshot.Shared {
	return snapshot.NewShared(snapshot.SharedOptions{
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Version: "v1.2.3",
	})
}

func build(t *testing.T, cfg *config.Config) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Build(t.Context(), cfg, shared())
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func start(t *testing.T, cfg *config.Config) *snapshot.Snapshot {
	t.Helper()
	s := build(t, cfg)
	must(t, s.Create(t.Context()))
	return s
}

func do(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	h.ServeHTTP(w, r)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuildAndCloseCreateNothing(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "data")
	s, err := snapshot.Build(t.Context(), newConfig(root), shared())
	must(t, err)
	must(t, s.Close())
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("there is %s now (%v)", root, err)
	}
}

func TestWhatWasBuiltServes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	index := ocitest.Index()
	first := start(t, newConfig(root)).Handlers["main"]
	must(t, httpapitest.InProcess(first).Push(t.Context(), "app", index, "v1"))
	second := start(t, newConfig(root)).Handlers["main"]
	must(t, httpapitest.InProcess(second).Pull(t.Context(), "app", "v1", index))
	metrics := do(first, "GET", "/metrics", "").Body.String()
	for _, name := range []string{`sreg_storage_operations_total{operation="publish",result="ok",store="all"} 1`, "sreg_http_requests_total"} {
		if !strings.Contains(metrics, name) {
			t.Errorf("metrics lack %s", name)
		}
	}
}

func TestAConfigThatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(t *testing.T, cfg *config.Config)
		says string
	}{
		{"a root that is a file", func(t *testing.T, cfg *config.Config) {
			cfg.Storage.Blobs.FS.Root = filepath.Join(t.TempDir(), "file")
			must(t, os.WriteFile(cfg.Storage.Blobs.FS.Root, nil, 0o644))
		}, "file"},
		{"a pattern that is none", func(_ *testing.T, cfg *config.Config) {
			cfg.Registry.ImmutableTags.Enabled = true
			cfg.Registry.ImmutableTags.Except = []string{"re:("}
		}, "immutable_tags"},
		{"a users file that is not there", func(t *testing.T, cfg *config.Config) {
			cfg.Auth.UsersFile = filepath.Join(t.TempDir(), "users")
		}, "auth.users_file"},
		{"a key of tokens that is not there", func(t *testing.T, cfg *config.Config) {
			cfg.Auth.OIDC = []authn.ProviderConfig{{Name: "ci", Issuer: "https://idp.example.com"}}
			cfg.Auth.Token.KeyFile = filepath.Join(t.TempDir(), "key")
		}, "openssl genpkey -algorithm ed25519"},
		{"a key of tokens that is none", func(t *testing.T, cfg *config.Config) {
			cfg.Auth.OIDC = []authn.ProviderConfig{{Name: "ci", Issuer: "https://idp.example.com"}}
			cfg.Auth.Token.KeyFile = filepath.Join(t.TempDir(), "key")
			must(t, os.WriteFile(cfg.Auth.Token.KeyFile, []byte("no key"), 0o600))
		}, "auth.token.key_file"},
		{"a store of a newer format", func(t *testing.T, cfg *config.Config) {
			must(t, os.WriteFile(filepath.Join(cfg.Storage.Blobs.FS.Root, "_format"), []byte(`{"format":99,"id":"x","metadata":"x"}`), 0o644))
		}, "newer sreg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t.TempDir())
			tt.set(t, cfg)
			if _, err := snapshot.Build(t.Context(), cfg, shared()); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("build: %v, want it to tell of %s", err, tt.says)
			}
		})
	}
}

func TestListenersServeWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	paths := []string{"/v2/", "/", "/healthz", "/readyz", "/metrics", "/debug/pprof/cmdline"}
	for _, tt := range []struct {
		name      string
		listeners []server.Listener
		answers   map[string]string // by listener, the paths that are no 404
	}{
		{"one", []server.Listener{{Name: "main"}}, map[string]string{"main": "/v2/ / /healthz /readyz /metrics"}},
		{
			"an admin listener takes what it serves",
			[]server.Listener{{Name: "main"}, {Name: "admin", Serves: []string{"health", "metrics", "pprof"}}},
			map[string]string{"main": "/v2/ /", "admin": "/healthz /readyz /metrics /debug/pprof/cmdline"},
		},
		{
			"and leaves the rest",
			[]server.Listener{{Name: "main"}, {Name: "admin", Serves: []string{"metrics"}}},
			map[string]string{"main": "/v2/ / /healthz /readyz", "admin": "/metrics"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := newConfig(t.TempDir())
			cfg.Server.Listeners = tt.listeners
			s := start(t, cfg)
			for name, want := range tt.answers {
				var got []string
				for _, path := range paths {
					w := do(s.Handlers[name], "GET", path, "")
					if w.Code != http.StatusNotFound {
						got = append(got, path)
					}
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s answers %q, want %s", name, got, want)
				}
			}
		})
	}
}
