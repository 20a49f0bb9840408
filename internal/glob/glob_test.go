package glob_test

import (
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/glob"
)

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"*", "a/b", false},
		{"**", "a/b/c", true},
		{"**", "", true},
		{"a/**", "a/b/c", true},
		{"a/**", "a", false},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/z", false},
		{"*/app", "team/app", true},
		{"*/app", "team/sub/app", false},
		{"team-?/*", "team-1/x", true},
		{"team-?/*", "team-12/x", false},
		{"a?b", "a/b", false},
		{"*b*", "abc", true},
		{"a*b*c", "aXbYc", true},
		{"a.c", "abc", false},
		{"[a]", "[a]", true},
		{"***", "a/b", true},
		{strings.Repeat("*a", 50) + "b", strings.Repeat("a", 300), false},
	} {
		if got := glob.Match(tc.pattern, tc.text); got != tc.want {
			t.Errorf("%q on %q: got %t, want %t", tc.pattern, tc.text, got, tc.want)
		}
	}
}
