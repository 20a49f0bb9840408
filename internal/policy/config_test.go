package policy

import (
	"strings"
	"testing"
)

func TestAPolicyOfTooManyRulesIsRefused(t *testing.T) {
	t.Parallel()
	cfg := Config{Rules: make([]RuleConfig, maxRules+1)}
	if _, err := NewCompiler().Policy(Global, cfg); err == nil || !strings.Contains(err.Error(), "want at most 10000 rules, got 10001") {
		t.Errorf("got %v", err)
	}
	var told string
	cfg.Validate(func(path, problem string) { told = path + ": " + problem })
	if !strings.HasPrefix(told, "rules: want at most 10000 rules, got 10001: ") {
		t.Errorf("got %q", told)
	}
}
