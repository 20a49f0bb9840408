// Package bytesize is for sizes that people write and read, such as 16MiB.
// It promises that ParseSize reads what String writes as the same size, and
// that it refuses what is ambiguous.
// It must not know what is measured or how much of it is allowed.
package bytesize

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// The binary units.
const (
	B   Size = 1
	KiB      = 1024 * B
	MiB      = 1024 * KiB
	GiB      = 1024 * MiB
	TiB      = 1024 * GiB
)

// Pattern is the regular expression of what ParseSize accepts, but for the
// largest sizes, which overflow.
const Pattern = `^(0|[0-9]+(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB))$`

type unit struct {
	name string
	size Size
}

// units are what ParseSize reads. The binary ones come first and are what String writes.
var units = [...]unit{
	{"TiB", TiB},
	{"GiB", GiB},
	{"MiB", MiB},
	{"KiB", KiB},
	{"B", B},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
}

const binaryUnits = 5

// ParseSize reads a whole number and its unit, without a space between them:
// B, KiB, MiB, GiB, TiB, and the decimal kB, MB, GB, TB. Only 0 goes without.
func ParseSize(s string) (Size, error) {
	if s == "0" {
		return 0, nil
	}
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 && s != "" {
		return 0, fmt.Errorf("want a size with its unit such as 16MiB, got %q", s)
	}
	if end <= 0 {
		return 0, fmt.Errorf("want a size such as 16MiB, got %q", s)
	}
	i := slices.IndexFunc(units[:], func(u unit) bool { return u.name == s[end:] })
	if i < 0 {
		return 0, wrongUnit(s, end)
	}
	u := units[i]
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil || n > math.MaxInt64/int64(u.size) {
		return 0, fmt.Errorf("want a size below 8388608TiB, got %q", s)
	}
	return Size(n) * u.size, nil
}

// wrongUnit explains that there is no such unit, and which was likely meant.
func wrongUnit(s string, end int) error {
	if meant, ok := closestUnit(strings.TrimSpace(s[end:])); ok {
		return fmt.Errorf("want a size such as 16MiB, got %q: did you mean %s?", s, s[:end]+meant)
	}
	return fmt.Errorf("want a size such as 16MiB, got %q", s)
}

// closestUnit finds the unit that was meant by one in a wrong case or without its B.
func closestUnit(name string) (string, bool) {
	for i, u := range units {
		short := i < binaryUnits && u.size > B && (strings.EqualFold(u.name[:2], name) || strings.EqualFold(u.name[:1], name))
		if short || strings.EqualFold(u.name, name) {
			return u.name, true
		}
	}
	return "", false
}

// String writes the size in the largest binary unit that keeps it exact.
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	for _, u := range units[:binaryUnits] {
		if s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return "0" // not reached: every size is a multiple of one byte
}
