package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// BenchmarkDecideKeep is a namespace of 10,000 tags, of which five rules keep few.
func BenchmarkDecideKeep(b *testing.B) {
	k, err := NewCompiler().Keep(Global, rules(
		"top_of_minor(3)", "top_pushed_like('^(.+)-[0-9a-f]{7,40}$', 10)", "semver(image.tag).prerelease != null && image.pushed_at > now() - days(30)",
		"top_pulled(20)", "image.last_pulled_at > now() - days(90)"))
	must(b, err)
	images := make([]Image, 10_000)
	for i := range images {
		images[i] = Image{Tag: fmt.Sprintf("v%d.%d.%d", i%5, i%70, i), PushedAt: int64(i), LastPulledAt: int64(i % 977)}
		if i%2 == 0 {
			images[i].Tag = fmt.Sprintf("branch%d-%07x", i%100, i)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		stay := 0
		for _, d := range decideAll(images, k) {
			if d.Kept {
				stay++
			}
		}
		if stay == 0 || stay > 5000 {
			b.Fatalf("%d stay", stay)
		}
	}
}

func TestWhatOneImageOfManyKeepsIt(t *testing.T) {
	t.Parallel()
	global, err := NewCompiler().Keep(Global, rules("image.annotations['keep'] == 'yes'", "'linux/arm64' in image.platforms"))
	must(t, err)
	hub, err := NewCompiler().Keep("hub", rules("image.size < 10", "top_pushed(1)"))
	must(t, err)
	images := []Image{
		{Tag: "a", PushedAt: 5, PushedNanos: 1, Size: 5, Annotations: map[string]string{}},
		{Tag: "b", PushedAt: 5, Size: 50, Annotations: map[string]string{"keep": "no"}},
		{Tag: "c", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "no"}},
		{Tag: "d", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "yes"}},
		{Tag: "e", PushedAt: 1, Size: 50, Annotations: map[string]string{"keep": "no"}, Platforms: []string{"linux/arm64"}},
	}
	var got []string
	for i, d := range decideAll(images, global, hub) {
		got = append(got, fmt.Sprintf("%s %t %s %d", images[i].Tag, d.Kept, d.Rule, len(d.Failed)))
	}
	want := "a true global/1 1, b false  0, c false  0, d true global/1 0, e true global/2 0"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	for _, d := range decideAll(images) {
		if !d.Kept {
			t.Error("goes without any rule, want that all stay")
		}
	}
}

// decideAll are the decisions about all images.
func decideAll(images []Image, sets ...*Keep) []KeepDecision {
	among := NewImages(unix(goldenNow), images)
	decisions := make([]KeepDecision, len(images))
	for i := range images {
		decisions[i] = among.Decide(i, sets...)
	}
	return decisions
}

func tagged(tags []string) []Image {
	images := make([]Image, len(tags))
	for i, tag := range tags {
		images[i] = Image{Tag: tag, PushedAt: int64(1000 + i)}
	}
	return images
}

func TestAKeptImageSaysByWhichRule(t *testing.T) {
	t.Parallel()
	global, err := NewCompiler().Keep(Global, rules("image.tag == 'a'"))
	must(t, err)
	hub, err := NewCompiler().Keep("hub", []RuleConfig{{Name: "one", Expr: "top_pushed(1)"}})
	must(t, err)
	images := tagged([]string{"a", "b", "c"})
	var got []string
	for i, d := range decideAll(images, global, hub) {
		line := fmt.Sprintf("%t %s %s:", d.Kept, d.Scope, d.Rule)
		for _, x := range NewImages(unix(goldenNow), images).Explain(i, global, hub) {
			line += fmt.Sprintf(" %s %s %t %v", x.Name, x.Outcome, x.Decides, x.Parts)
		}
		got = append(got, line)
	}
	want := []string{
		`true global global/1: global/1 true true [{image.tag "a"}] one false false [{rank in top_pushed(1) 3}]`,
		`false  : global/1 false false [{image.tag "b"}] one false false [{rank in top_pushed(1) 2}]`,
		`true hub one: global/1 false false [{image.tag "c"}] one true true [{rank in top_pushed(1) 1}]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
