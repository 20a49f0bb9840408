package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestThreatWebPages: what a browser can reach on this computer is not for the pages that it shows.
func TestThreatWebPages(t *testing.T) {
	t.Parallel()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	text := "server: {listeners: [{name: main, address: \"127.0.0.1:0\"}]}\npolicy: {default: allow}\n"
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	laptop, guarded := serve(t), serve(t, "-c", policy)
	cross := map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://attacker.example"}
	_, port, _ := strings.Cut(laptop.address, ":")
	for _, tt := range []struct {
		name, method, path, host string
		header                   map[string]string
		on                       *server
		status                   int
	}{
		{"by address", "GET", "/v2/_catalog", laptop.address, nil, laptop, 200},
		{"by name", "GET", "/v2/_catalog", "localhost:" + port, nil, laptop, 200},
		{"a name that leads here lists", "GET", "/v2/_catalog", "attacker.example:" + port, nil, laptop, 421},
		{"it reads metrics", "GET", "/metrics", "attacker.example", nil, laptop, 421},
		{"a probe of a proxy asks for health", "GET", "/healthz", "registry.example", nil, laptop, 200},
		{"it asks whether to send requests", "GET", "/readyz", "registry.example", nil, laptop, 200},
		{"it deletes", "DELETE", "/v2/app/manifests/v1", "attacker.example", nil, laptop, 421},
		{"it begins an upload", "POST", "/v2/app/blobs/uploads/", "attacker.example", nil, laptop, 421},
		{"a form of another site", "POST", "/v2/app/blobs/uploads/", laptop.address, cross, laptop, 403},
		{"any name, with a policy", "GET", "/v2/_catalog", "registry.example", nil, guarded, 200},
		{"a form of another site, with a policy", "POST", "/v2/app/blobs/uploads/", guarded.address, cross, guarded, 403},
		{"what is no page, with a policy", "POST", "/v2/app/blobs/uploads/", guarded.address, nil, guarded, 202},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.on.url(tt.path), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = tt.host
			for key, value := range tt.header {
				r.Header.Set(key, value)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.status)
			}
		})
	}
}
