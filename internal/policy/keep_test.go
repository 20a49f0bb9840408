package policy

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

func TestTheKeepRulesOfOthersKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	names := slices.Sorted(maps.Keys(g.Retention.Images))
	var images []Image
	for _, name := range names {
		i := g.Retention.Images[name]
		images = append(images, Image{Tag: i.Tag, PushedAt: i.PushedAt, LastPulledAt: i.LastPulledAt})
	}
	for _, c := range g.Retention.Rules {
		t.Run(c.Expr, func(t *testing.T) {
			t.Parallel()
			k, err := NewCompiler().Keep(Global, []RuleConfig{{Expr: c.Expr}})
			must(t, err)
			for i, d := range decideAll(images, k) {
				if len(d.Failed) > 0 {
					t.Errorf("%s: %v", names[i], d.Failed[0].Err)
				}
				if want := slices.Contains(c.Holds, names[i]); d.Kept != want || want == slices.Contains(c.Fails, names[i]) {
					t.Errorf("%s: kept %t, want %t", names[i], d.Kept, want)
				}
			}
		})
	}
}

func TestARuleThatSaysTheSameOfEveryImageIsKnown(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"true":                           "true true",
		"!true || 2 > 3":                 "false true",
		"days(1) > hours(23)":            "true true",
		"'v1'.is_semver()":               "false true",
		"1 / 0 == 1":                     "false false", // it fails, and so keeps
		"now() > 5":                      "false false",
		"top_pushed(5)":                  "false false",
		"image.tag != null || true":      "false false", // it may be, and nobody writes that
		"['a', 'b'].exists(x, x == 'a')": "false false",
	} {
		k, err := NewCompiler().Keep(Global, rules("image.size > 1", expr))
		must(t, err)
		if holds, constant := k.Constant(1); fmt.Sprint(holds, constant) != want {
			t.Errorf("%s: got %t %t, want %s", expr, holds, constant, want)
		}
		if _, constant := k.Constant(0); constant {
			t.Error("image.size > 1 says the same of every image")
		}
	}
}
