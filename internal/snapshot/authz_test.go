package snapshot

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sreg-project/sreg/internal/access"
	"github.com/sreg-project/sreg/internal/authz"
	"github.com/sreg-project/sreg/internal/config"
	"github.com/sreg-project/sreg/internal/oci"
)

// authorizerOf builds the authorizer of a config file.
func authorizerOf(t *testing.T, text string) (*authz.Authorizer, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sreg.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(config.Options{Files: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	shared := NewShared(SharedOptions{Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	s, err := Build(t.Context(), cfg, shared)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		shared.Close()
	})
	return s.authorizer, nil
}

// TestTheAuthorizerIsTheOneOfTheConfig goes through a config from its text to a decision. The endpoint
// denies whatever it is asked.
func TestTheAuthorizerIsTheOneOfTheConfig(t *testing.T) {
	t.Parallel()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(endpoint.Close)
	webhooks := "webhooks: [{name: no, url: '" + endpoint.URL + "'}]\n"
	tests := []struct {
		name, config, namespace string
		want                    string
	}{
		{"nothing is configured: this computer alone", "", "a", "allowed none "},
		{"a global policy", "policy: {rules: [{name: pulls, expr: \"request.action == 'get-blob'\"}]}", "a", "allowed global pulls"},
		{"a global policy that denies", "policy: {default: deny}", "a", "denied global "},
		{"a repository's policy", "policy: {default: allow}\nrepositories: [{name: hub, policy: {rules: ['false']}}]", "hub/a", "denied repository "},
		{"a repository's policy ends the laptop's default", "repositories: [{name: hub, policy: {rules: ['true']}}]", "a", "denied none "},
		{"a webhook", webhooks + "policy: {default: allow, webhook: no}", "a", "denied webhook no"},
		{"a repository without it", webhooks + "policy: {default: allow, webhook: no}\nrepositories: [{name: hub, policy: {default: allow, webhook: none}}]", "hub/a", "allowed repository "},
		{"a repository's webhook", webhooks + "policy: {default: allow}\nrepositories: [{name: hub, policy: {default: allow, webhook: no}}]", "hub/a", "denied webhook no"},
		{"a repository with no policy keeps the global webhook", webhooks + "policy: {default: allow, webhook: no}\nrepositories: [{name: hub}]", "hub/a", "denied webhook no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := authorizerOf(t, tt.config)
			if err != nil {
				t.Fatal(err)
			}
			ns, err := oci.ParseName(tt.namespace)
			if err != nil {
				t.Fatal(err)
			}
			d := a.Authorize(t.Context(), &access.Question{Request: access.Request{Action: access.GetBlob, Method: http.MethodGet, Namespace: ns}})
			got := map[bool]string{true: "allowed", false: "denied"}[d.Allowed] + " " + string(d.Stage) + " " + d.Rule
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTheConfigOfTheDocsIsRight builds what docs/webhooks.md shows.
func TestTheConfigOfTheDocsIsRight(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) == 0 {
		t.Fatal("docs/webhooks.md shows no config")
	}
	for _, block := range blocks {
		if _, err := authorizerOf(t, block[1]); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
}

func TestEveryWebhookThatCannotBeMadeIsToldByItsKey(t *testing.T) {
	t.Parallel()
	_, err := authorizerOf(t, "webhooks:\n  - {name: a, url: 'https://g/', ca_file: /nowhere/a}\n  - {name: b, url: 'https://g/', ca_file: /nowhere/b}\n")
	if err == nil || !strings.Contains(err.Error(), "webhooks[0].ca_file: ") || !strings.Contains(err.Error(), "webhooks[1].ca_file: ") {
		t.Errorf("got %v, want both by their keys", err)
	}
}
