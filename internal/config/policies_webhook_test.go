package config

import (
	"strings"
	"testing"
)

func TestAWebhookThatIsNeverAskedIsAWarning(t *testing.T) {
	t.Parallel()
	const webhooks = "webhooks: [{name: guard, url: 'https://g/'}]\n"
	tests := []struct{ name, policy, want string }{
		{"nothing can be allowed", "policy: {webhook: guard}", "policy.webhook: without a rule nothing is allowed"},
		{"nor in a repository", "repositories: [{name: hub, policy: {webhook: guard}}]", "repositories[0].policy.webhook: without a rule"},
		{"a rule may allow", "policy: {webhook: guard, rules: ['true']}", ""},
		{"the default allows", "policy: {webhook: guard, default: allow}", ""},
		{"no webhook, no warning", "policy: {default: deny}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, sources, err := Load(Options{Files: []string{write(t, t.TempDir(), "sreg.yaml", webhooks+tt.policy)}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range cfg.Warnings(sources) {
				got = append(got, w.String())
			}
			text := strings.Join(got, "\n")
			if (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}
