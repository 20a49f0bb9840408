package policy

import (
	"strings"
	"testing"
)

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
