package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// versions are tags of one namespace in the order of their pushes, a second apart.
var versions = []string{
	"1.0.0", "v1.0.1", "1.1.0", "1.1.1-rc.1", "1.1.1", "1.10.0", "1.9.0", "v2.0.0", "2.0.0", "2.1.0-beta.2", "2.0.1",
	"main-aaaaaaa", "main-bbbbbbb", "feature-x-ccccccc", "main-ddddddd", "feature-x-eeeeeee", "latest", "1.2", "",
}

func tagged(tags []string) []Image {
	images := make([]Image, len(tags))
	for i, tag := range tags {
		images[i] = Image{Tag: tag, PushedAt: int64(1000 + i)}
	}
	return images
}

// kept are the tags that one rule keeps, or that it fails for with an exclamation mark.
func kept(t *testing.T, expr string, images []Image) string {
	t.Helper()
	k, err := NewCompiler().Keep(Global, rules(expr))
	must(t, err)
	var list []string
	for i, d := range decideAll(images, k) {
		switch {
		case len(d.Failed) > 0:
			list = append(list, images[i].Tag+"!")
		case d.Kept:
			list = append(list, images[i].Tag)
		}
	}
	return strings.Join(list, " ")
}

func TestWhatKeepRulesKeep(t *testing.T) {
	t.Parallel()
	const branch = "'^(.+)-[0-9a-f]{7,40}$'"
	for expr, want := range map[string]string{
		"top_version(1)":  "2.0.1",
		"top_version(2)":  "v2.0.0 2.0.0 2.0.1", // two spellings of one version
		"top_version(3)":  "1.10.0 v2.0.0 2.0.0 2.0.1",
		"top_version(0)":  "",
		"top_version(-1)": "",
		"top_of_major(1)": "1.10.0 2.0.1",
		"top_of_major(2)": "1.10.0 1.9.0 v2.0.0 2.0.0 2.0.1",
		"top_of_minor(1)": "v1.0.1 1.1.1 1.10.0 1.9.0 2.0.1",
		"top_of_minor(9)": "1.0.0 v1.0.1 1.1.0 1.1.1 1.10.0 1.9.0 v2.0.0 2.0.0 2.0.1",

		"top_pushed_like(" + branch + ", 1)":                     "main-ddddddd feature-x-eeeeeee",
		"top_pushed_like(" + branch + ", 2)":                     "main-bbbbbbb feature-x-ccccccc main-ddddddd feature-x-eeeeeee",
		"top_pushed_like('^main-', 2)":                           "main-bbbbbbb main-ddddddd",
		"top_pushed_like('^(?:main|feature-x)-', 2)":             "main-ddddddd feature-x-eeeeeee",
		"top_pushed_like('(beta|rc)', 1)":                        "1.1.1-rc.1 2.1.0-beta.2",
		"top_pushed_like('^(nosuch)?(main|latest)', 1)":          "latest", // a group that found nothing is one, too
		"top_pushed_like('^v(?P<rest>.*)$', 1) || top_pushed(2)": "v1.0.1 v2.0.0 latest 1.2",

		"semver(image.tag).valid":              "1.0.0 v1.0.1 1.1.0 1.1.1-rc.1 1.1.1 1.10.0 1.9.0 v2.0.0 2.0.0 2.1.0-beta.2 2.0.1",
		"!semver(image.tag).valid":             "main-aaaaaaa main-bbbbbbb feature-x-ccccccc main-ddddddd feature-x-eeeeeee latest 1.2 ",
		"semver(image.tag).is_release":         "1.0.0 v1.0.1 1.1.0 1.1.1 1.10.0 1.9.0 v2.0.0 2.0.0 2.0.1",
		"semver(image.tag).is_prerelease":      "1.1.1-rc.1 2.1.0-beta.2",
		"semver(image.tag).prerelease != null": "1.1.1-rc.1 2.1.0-beta.2",
		"has(semver(image.tag).prerelease)":    "1.1.1-rc.1 2.1.0-beta.2",
		"semver(image.tag).major == 2":         "v2.0.0 2.0.0 2.1.0-beta.2 2.0.1",
		"semver(image.tag).minor > 1":          "1.10.0 1.9.0",
		"semver(image.tag).valid && semver(image.tag).major == 1 && semver(image.tag).minor == 0 && semver(image.tag).patch == 1": "v1.0.1",
		"semver(null).valid || semver('x').major > 0 || semver(null).prerelease != null":                                          "",
		"image.tag.is_semver() && image.tag.is_prerelease()":                                                                      "1.1.1-rc.1 2.1.0-beta.2 !",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			if got := kept(t, expr, tagged(versions)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestANamespaceIsRankedOnceForEachWay(t *testing.T) {
	t.Parallel()
	images := tagged([]string{"a-1", "a-2", "b-1"})
	s := NewImages(unix(goldenNow), images)
	ways := map[ranking]int{{word: topPushed}: 3, {word: topPushedLike, pattern: "^(.)-"}: 2, {word: topPushedLike, pattern: "^a"}: 2}
	for range 2 {
		for by, want := range ways {
			if rank, err := s.rank(by, 0); rank != want || err != nil {
				t.Errorf("%v: got rank %d, %v, want %d as at first", by, rank, err, want)
			}
		}
		images[0].PushedAt = 1_000_000 // nobody looks again
	}
}

func TestAVersionOfAnyLengthIsOne(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("9", 40)
	images := tagged([]string{long + ".1.0", "8" + long[1:] + ".2.0", "1.0." + long})
	for expr, want := range map[string]string{
		"semver(image.tag).major == 9223372036854775807": images[0].Tag + " " + images[1].Tag,
		"semver(image.tag).patch == 9223372036854775807": images[2].Tag,
		"top_version(1)":  images[0].Tag,
		"top_of_major(1)": images[0].Tag + " " + images[1].Tag + " " + images[2].Tag,
	} {
		if got := kept(t, expr, images); got != want {
			t.Errorf("%s keeps %s, want %s", expr, got, want)
		}
	}
}

func TestMistakesInKeepRulesArePointedAt(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"image.pushd_at > 1":                        "1:7: unknown field image.pushd_at: did you mean image.pushed_at?",
		"semver(image.tag).mayor == 1":              "1:19: unknown field semver(...).mayor: did you mean semver(...).major?",
		"semver(image.tag).x == 1":                  "1:19: unknown field semver(...).x: semver(...) has valid, is_release, is_prerelease, major, minor, patch, prerelease",
		"semver(image.size).valid":                  "1:1: semver does not take (int): write semver(text)",
		"semvar(image.tag).valid":                   "1:1: unknown function semvar: did you mean semver?",
		"semver(image.tag)":                         "1:1: want true or false, this is a semver",
		"semver == null":                            "1:1: unknown word semver: the words are image; a text stands in quotes",
		"top_versin(1)":                             "1:1: unknown function top_versin: did you mean top_version?",
		"top_version('1')":                          "1:1: top_version does not take (string): write top_version(n)",
		"true && top_of_minor(1, 2)":                "1:9: top_of_minor does not take (int, int): write top_of_minor(n)",
		"top_of_major()":                            "1:1: top_of_major does not take (nothing): write top_of_major(n)",
		"top_pushed_like(10, '^x')":                 "1:1: top_pushed_like does not take (int, string): write top_pushed_like(pattern, n)",
		"top_pushed_like('(', 10)":                  "1:17: want a regular expression, got \"(\": error parsing regexp: missing closing ): `(`",
		"top_pushed_like(image.tag, 10)":            "1:22: top_pushed_like wants its pattern written as one text in quotes",
		"top_pushed_like('((a{100}){100}){2}', 10)": "1:17: want a regular expression, got \"((a{100}){100}){2}\": error parsing regexp: invalid repeat count: `{100}`",
		"top_pushed_like('" + strings.Repeat("(a|b){900}", 9) + "', 1)": "1:17: want a regular expression of at most 10000 instructions, got one of 24302",
	} {
		t.Run(expr, func(t *testing.T) {
			t.Parallel()
			_, err := NewCompiler().Keep(Global, rules("true", expr))
			var failed *CompileError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a *CompileError", err)
			}
			m := failed.Mistakes[0]
			if got := fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m); got != want || m.Name != "global/2" {
				t.Errorf("got %s of %s\nwant %s", got, m.Name, want)
			}
		})
	}
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

func TestAnExplanationSaysWhichRankATagHas(t *testing.T) {
	t.Parallel()
	k, err := NewCompiler().Keep(Global, rules("top_pushed_like('^(.+)-[0-9a-f]{7,40}$', 1) || top_version(2) && image.size > 1"))
	must(t, err)
	images := tagged(versions)
	for tag, want := range map[string]string{
		"main-aaaaaaa": "3 none", "main-ddddddd": "1 ", "1.9.0": "none 4", "2.0.0": "none 2", "": "none none",
	} {
		x := NewImages(unix(goldenNow), images).Explain(slices.Index(versions, tag), k)
		got := map[string]string{}
		for _, part := range x[0].Parts {
			got[part.Text] = part.Value
		}
		like, version := got[`rank in top_pushed_like("^(.+)-[0-9a-f]{7,40}$", 1)`], got["rank in top_version(2)"]
		if like+" "+version != want {
			t.Errorf("%q: got %s %s, want %s in %v", tag, like, version, want, x[0].Parts)
		}
	}
}
