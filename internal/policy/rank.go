package policy

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"golang.org/x/mod/semver"
)

// The words that number the tags of a namespace.
const (
	topPushed     = "top_pushed"
	topPulled     = "top_pulled"
	topPushedLike = "top_pushed_like"
	topVersion    = "top_version"
	topOfMajor    = "top_of_major"
	topOfMinor    = "top_of_minor"
)

// standings numbers the tags of one namespace, each way once, when a rule first asks for it. It belongs to
// one goroutine.
type standings struct {
	images []Image
	ranks  map[ranking][]int
}

// ranking is one way to number tags.
type ranking struct {
	word    string
	pattern string // of topPushedLike
}

func newStandings(images []Image) *standings {
	return &standings{images: images, ranks: map[ranking][]int{}}
}

// rank is the place of an image among those that it is ranked with, from 1; 0 is none.
func (s *standings) rank(by ranking, image int) (int, error) {
	ranks, known := s.ranks[by]
	if !known {
		place, err := by.places()
		if err != nil {
			return 0, err
		}
		ranks = number(s.images, place, by.order())
		s.ranks[by] = ranks
	}
	return ranks[image], nil
}

// contender is an image that gets a rank.
type contender struct {
	*Image
	index   int
	group   string // among whom it is ranked
	version string // of a ranking by versions
}

// number ranks the images that place finds a place for, group by group. Those that are equal in the order
// share a rank.
func number(images []Image, place func(c *contender) bool, order func(a, b contender) int) []int {
	var list []contender
	for i := range images {
		c := contender{Image: &images[i], index: i}
		if c.Tag != "" && place(&c) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b contender) int { return cmp.Or(cmp.Compare(a.group, b.group), order(a, b)) })
	ranks := make([]int, len(images))
	rank := 0
	for i, c := range list {
		switch {
		case i == 0 || c.group != list[i-1].group:
			rank = 1
		case order(list[i-1], c) != 0:
			rank++
		}
		ranks[c.index] = rank
	}
	return ranks
}

// places is the function that says whether a tag is ranked, and fills in its group.
func (r ranking) places() (func(c *contender) bool, error) {
	switch r.word {
	case topPulled:
		return func(c *contender) bool { return c.LastPulledAt > 0 }, nil
	case topPushedLike:
		fits, err := regexp.Compile(r.pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: want a regular expression, got %q: %w", topPushedLike, r.pattern, err)
		}
		return func(c *contender) bool {
			match := fits.FindStringSubmatch(c.Tag)
			if len(match) > 1 {
				c.group = match[1]
			}
			return match != nil
		}, nil
	case topVersion:
		return released(func(string) string { return "" }), nil
	case topOfMajor:
		return released(semver.Major), nil
	case topOfMinor:
		return released(semver.MajorMinor), nil
	}
	return func(*contender) bool { return true }, nil
}

// released ranks releases alone, so that no candidate takes the place of one.
func released(line func(version string) string) func(c *contender) bool {
	return func(c *contender) bool {
		v, ok := version(c.Tag)
		c.version, c.group = v, line(v)
		return ok && semver.Prerelease(v) == ""
	}
}

// order compares those of one group: the first is less. What was at the same time goes by its tag; v1.2.3
// and 1.2.3 are one version.
func (r ranking) order() func(a, b contender) int {
	switch r.word {
	case topVersion, topOfMajor, topOfMinor:
		return func(a, b contender) int { return semver.Compare(b.version, a.version) }
	case topPulled:
		return func(a, b contender) int {
			return cmp.Or(cmp.Compare(b.LastPulledAt, a.LastPulledAt), cmp.Compare(a.Tag, b.Tag))
		}
	}
	return func(a, b contender) int {
		return cmp.Or(cmp.Compare(b.PushedAt, a.PushedAt), cmp.Compare(a.Tag, b.Tag))
	}
}

// standing is one image among those of its namespace, as CEL hands it to the functions that rank.
type standing struct {
	among *standings
	image int
}

var standingType = types.NewOpaqueType("@standing")

// top is the function behind all rankings: whether the image's rank is at most n.
func top(by ranking, of, n ref.Val) ref.Val {
	s, ok := of.(*standing)
	if !ok {
		return types.MaybeNoSuchOverloadErr(of)
	}
	most, ok := n.(types.Int)
	if !ok {
		return types.MaybeNoSuchOverloadErr(n)
	}
	rank, err := s.among.rank(by, s.image)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(rank > 0 && types.Int(rank) <= most)
}

// ConvertToNative is for ref.Val: nothing outside CEL needs a standing.
func (s *standing) ConvertToNative(to reflect.Type) (any, error) {
	return nil, fmt.Errorf("a standing is no %v", to)
}

// ConvertToType is for ref.Val.
func (s *standing) ConvertToType(to ref.Type) ref.Val {
	return types.NewErr("a standing is no %s", to.TypeName())
}

// Equal is for ref.Val.
func (s *standing) Equal(other ref.Val) ref.Val { return types.Bool(s == other) }

// Type is for ref.Val.
func (s *standing) Type() ref.Type { return standingType }

// Value is for ref.Val.
func (s *standing) Value() any { return s }
