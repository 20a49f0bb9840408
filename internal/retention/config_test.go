package retention

import (
	"errors"
	"testing"

	"github.com/sreg-project/sreg/internal/policy"
)

func TestWithoutRulesThereIsNothingToAsk(t *testing.T) {
	t.Parallel()
	keep, err := Config{}.Compile(policy.NewCompiler(), policy.Global)
	if err != nil || keep != nil {
		t.Errorf("got %v, %v, want nothing", keep, err)
	}
}

func TestAMistakeInARuleIsOneOfThePolicyPackage(t *testing.T) {
	t.Parallel()
	_, err := Config{Rules: []policy.RuleConfig{{Expr: "true"}, {Expr: "image.tg == 'x'"}}}.Compile(policy.NewCompiler(), "hub")
	var failed *policy.CompileError
	if !errors.As(err, &failed) || failed.Mistakes[0].Rule != 1 || failed.Mistakes[0].Name != "hub/2" {
		t.Errorf("got %v, want a mistake in hub/2", err)
	}
}
