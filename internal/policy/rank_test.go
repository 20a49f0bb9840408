package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// versions are tags of one namespace in the order of their pushes, a second apart.
var versions = []string{
	"1.0.0", "v1.0.1", "1.1.0", "1.1.1-rc.1", "1.1.1", "1.10.0", "1.9.0", "v2.0.0", "2.0.0", "2.1.0-beta.2", "2.0.1",
	"main-aaaaaaa", "main-bbbbbbb", "feature-x-ccccccc", "main-ddddddd", "feature-x-eeeeeee", "latest", "1.2", "",
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

// TestRanksGoByTheFullTime: and of what has the same time the newest by its name stays.
func TestRanksGoByTheFullTime(t *testing.T) {
	t.Parallel()
	same := []string{"1.10.0", "build-10", "latest", "build-9", "1.9.0", "2026-11-30", "v1.10.0", "build-010"}
	const want = "2026-11-30 build-9 build-010 build-10 latest 1.9.0 1.10.0 v1.10.0 z a" // from the oldest to the newest
	at := func(nanos int64, tags ...string) (images []Image) {
		for _, tag := range tags {
			images = append(images, Image{Tag: tag, PushedAt: 7, PushedNanos: nanos, LastPulledAt: 9})
		}
		return images
	}
	for _, word := range []string{topPushed, topPulled, topPushedLike} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			images := slices.Concat(at(1, "z"), at(2, "a"), at(0, same...))
			s := NewImages(unix(goldenNow), images)
			byRank := make([]string, len(images)+1)
			for i, image := range images {
				rank, err := s.rank(ranking{word: word, pattern: "."}, i)
				must(t, err)
				byRank[rank] += image.Tag
			}
			slices.Reverse(byRank)
			if got := strings.TrimSpace(strings.Join(byRank, " ")); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestARestoreTakesNoRank: a tag that was restored is ranked by its last push, and its pushed_at is that of its restore.
func TestARestoreTakesNoRank(t *testing.T) {
	t.Parallel()
	keep, err := NewCompiler().Keep("", []RuleConfig{{Name: "one", Expr: "top_pushed(1)"}, {Name: "lately", Expr: "image.pushed_at >= 9"}})
	if err != nil {
		t.Fatal(err)
	}
	among := NewImages(unix(10), []Image{{Tag: "restored", PushedAt: 9, LastPush: time.Unix(1, 0)}, {Tag: "new", PushedAt: 5}})
	for i, want := range []string{"lately", "one"} {
		if got := among.Decide(i, keep).Rule; got != want {
			t.Errorf("image %d is kept by %q, want %q", i, got, want)
		}
	}
}
