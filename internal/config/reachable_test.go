package config

import (
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/policy"
)

// TestAMissingExternalURLIsAWarning: where others than this computer come, it says where passwords go.
func TestAMissingExternalURLIsAWarning(t *testing.T) {
	t.Parallel()
	const oidc = "auth: {oidc: [{name: ci, issuer: 'https://idp.example.com', audience: [sreg]}]}\npolicy: {default: deny}\n"
	listen := func(rest string) string { return oidc + "server: {listeners: [{name: main, address: " + rest }
	tests := []struct {
		name, text string
		warns      bool
	}{
		{"this computer alone", oidc, false},
		{"the network", listen("'0.0.0.0:5000'}]}"), true},
		{"a proxy at a socket", listen("'unix:/run/sreg.sock'}]}"), true},
		{"the network, and the URL is known", listen("'0.0.0.0:5000'}], external_url: 'https://r.example.com'}"), false},
		{"health alone", listen("'127.0.0.1:5000'}, {name: admin, address: '0.0.0.0:5001', serves: [health]}]}"), false},
		{"nobody can sign in", strings.TrimPrefix(listen("'0.0.0.0:5000'}]}"), strings.SplitAfter(oidc, "\n")[0]), false},
		{"no tokens", strings.Replace(listen("'0.0.0.0:5000'}]}"), "auth: {", "auth: {token: {enabled: false}, ", 1), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, sources, err := Load(Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", tt.text)}})
			if err != nil {
				t.Fatal(err)
			}
			warned := false
			for _, w := range cfg.Warnings(sources, policy.NewCompiler(), time.Now()) {
				warned = warned || w.Key == "server.external_url"
			}
			if warned != tt.warns {
				t.Errorf("warned is %t, want %t", warned, tt.warns)
			}
		})
	}
}
