package retention

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/oci"
	"github.com/sreg-project/sreg/internal/policy"
	"github.com/sreg-project/sreg/internal/registry"
)

func TestTheRulesAreAskedAboutEachImage(t *testing.T) {
	t.Parallel()
	cfg := Config{Rules: []policy.RuleConfig{
		{Name: "lately pulled", Expr: "image.last_pulled_at > now() - days(1)"},
		{Name: "named", Expr: "image.tag.startsWith('v')"},
	}}
	keep, err := cfg.Compile(policy.NewCompiler(), policy.Global)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := oci.ParseName("app")
	if err != nil {
		t.Fatal(err)
	}
	if New(&policy.KeepChain{}).Rules(ns) {
		t.Error("there are rules where there are none")
	}
	r := New(&policy.KeepChain{Global: keep})
	if !r.Rules(ns) {
		t.Error("there are no rules")
	}
	now := time.Date(2026, time.November, 1, 12, 0, 0, 0, time.UTC)
	tag := func(text string) oci.Tag {
		tag, err := oci.ParseTag(text)
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	long := now.Add(-48 * time.Hour)
	got := r.Decide(ns, now, []registry.Image{
		{Tag: tag("v1"), PushedAt: long},
		{Tag: tag("old"), PushedAt: long, LastPulledAt: long},
		{Tag: tag("used"), PushedAt: long, LastPulledAt: now.Add(-time.Hour)},
		{PushedAt: long}, // a rule fails that calls a method of its tag
	})
	if len(got) == 4 && len(got[3].Failed) == 1 && strings.HasPrefix(got[3].Failed[0], "rule named fails, and so keeps it: ") {
		got[3].Failed = nil
	}
	want := []registry.Verdict{
		{Kept: true, Rule: "named"}, {}, {Kept: true, Rule: "lately pulled"}, {Kept: true, Rule: "named"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
