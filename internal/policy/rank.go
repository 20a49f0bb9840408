package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"golang.org/x/mod/semver"
)

// The words that rank the tags of a namespace.
const (
	topPushed     = "top_pushed"
	topPulled     = "top_pulled"
	topPushedLike = "top_pushed_like"
	topVersion    = "top_version"
	topOfMajor    = "top_of_major"
	topOfMinor    = "top_of_minor"
)

// ranking is one way to rank tags.
type ranking struct {
	word    string
	pattern string // of topPushedLike
}

// top is the function behind all rankings: whether the image's rank is at most n. CEL has checked the types
// of its arguments.
func top(by ranking, of, n ref.Val) ref.Val {
	i := of.(*object).source.(*image)
	rank, err := i.among.rank(by, i.index)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(rank > 0 && types.Int(rank) <= n.(types.Int))
}

// rank is that of one image, from 1; 0 if it has none.
func (s *Images) rank(by ranking, index int) (int, error) {
	ranks, known := s.ranks[by]
	if !known {
		takesPart, err := by.filter()
		if err != nil {
			return 0, err
		}
		ranks = rankAll(s.list, takesPart, by.order())
		s.ranks[by] = ranks
	}
	return ranks[index], nil
}

// entry is an image in a ranking.
type entry struct {
	*Image
	index   int
	group   string // among whom it is ranked
	version string // of a ranking by versions
}

// rankAll ranks the images that take part, group by group. Those that are equal in the order share a rank.
func rankAll(images []Image, takesPart func(e *entry) bool, order func(a, b entry) int) []int {
	var list []entry
	for i := range images {
		e := entry{Image: &images[i], index: i}
		if e.Tag != "" && takesPart(&e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Or(cmp.Compare(a.group, b.group), order(a, b)) })
	ranks := make([]int, len(images))
	rank := 0
	for i, e := range list {
		switch {
		case i == 0 || e.group != list[i-1].group:
			rank = 1
		case order(list[i-1], e) != 0:
			rank++
		}
		ranks[e.index] = rank
	}
	return ranks
}

// filter makes the function that says whether a tag takes part, and fills in its group.
func (r ranking) filter() (func(e *entry) bool, error) {
	switch r.word {
	case topPulled:
		return func(e *entry) bool { return e.LastPulledAt > 0 }, nil
	case topPushedLike:
		fits, err := regexp.Compile(r.pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: want a regular expression, got %q: %w", topPushedLike, r.pattern, err)
		}
		return func(e *entry) bool {
			match := fits.FindStringSubmatch(e.Tag)
			if len(match) > 1 {
				e.group = match[1]
			}
			return match != nil
		}, nil
	case topVersion:
		return releases(func(string) string { return "" }), nil
	case topOfMajor:
		return releases(semver.Major), nil
	case topOfMinor:
		return releases(semver.MajorMinor), nil
	}
	return func(*entry) bool { return true }, nil
}

// releases lets only releases take part: a pre-release never has a rank.
func releases(group func(version string) string) func(e *entry) bool {
	return func(e *entry) bool {
		v, ok := version(e.Tag)
		e.version, e.group = v, group(v)
		return ok && semver.Prerelease(v) == ""
	}
}

// order compares those of one group: the first is less. v1.2.3 and 1.2.3 are one version.
func (r ranking) order() func(a, b entry) int {
	switch r.word {
	case topVersion, topOfMajor, topOfMinor:
		return func(a, b entry) int { return semver.Compare(b.version, a.version) }
	case topPulled:
		return func(a, b entry) int { return cmp.Or(cmp.Compare(b.LastPulledAt, a.LastPulledAt), newerFirst(a, b)) }
	}
	return newerFirst
}

// newerFirst goes by the time of the push. Several tags may be of one push: then the higher version is first, what is
// no version behind those, and of two of these the one whose name is higher.
func newerFirst(a, b entry) int {
	if at := b.lastPush().Compare(a.lastPush()); at != 0 {
		return at
	}
	// An invalid version is less than any other one.
	one, _ := version(a.Tag)
	other, _ := version(b.Tag)
	return cmp.Or(semver.Compare(other, one), compareNames(b.Tag, a.Tag))
}

// compareNames compares names as people count: build-9 is less than build-10. Names that differ are never equal.
func compareNames(a, b string) int {
	rest, other := a, b
	for rest != "" && other != "" {
		n, m := digits(rest), digits(other)
		if n == 0 || m == 0 {
			if rest[0] != other[0] {
				return cmp.Compare(rest[0], other[0])
			}
			rest, other = rest[1:], other[1:]
			continue
		}
		number, against := strings.TrimLeft(rest[:n], "0"), strings.TrimLeft(other[:m], "0")
		if d := cmp.Or(cmp.Compare(len(number), len(against)), cmp.Compare(number, against)); d != 0 {
			return d
		}
		rest, other = rest[n:], other[m:]
	}
	return cmp.Or(cmp.Compare(len(rest), len(other)), cmp.Compare(a, b))
}

// digits is how many digits a text begins with.
func digits(text string) int {
	return len(text) - len(strings.TrimLeft(text, "0123456789"))
}
