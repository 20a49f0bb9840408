package bytesize_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/bytesize"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text string
		want       bytesize.Size
		problem    string
	}{
		{name: "zero needs no unit", text: "0"},
		{name: "bytes", text: "17B", want: 17},
		{name: "binary units", text: "16MiB", want: 16 << 20},
		{name: "the largest binary unit", text: "2TiB", want: 2 << 40},
		{name: "decimal units", text: "3GB", want: 3e9},
		{name: "the small decimal unit", text: "1kB", want: 1000},
		{name: "a number without a unit is refused", text: "4096", problem: "with its unit"},
		{name: "a negative size is refused", text: "-1MiB", problem: `got "-1MiB"`},
		{name: "an overflow is refused", text: "9999999TiB", problem: "want a size below"},
		{name: "a number that does not fit is refused", text: "99999999999999999999B", problem: "want a size below"},
		{name: "a wrong case is explained", text: "16mib", problem: "did you mean 16MiB?"},
		{name: "a lost B is explained", text: "16Mi", problem: "did you mean 16MiB?"},
		{name: "a letter alone is explained", text: "5G", problem: "did you mean 5GiB?"},
		{name: "a wrong case of a small unit is explained", text: "5KB", problem: "did you mean 5kB?"},
		{name: "a space is refused and the unit named", text: "16 MiB", problem: "did you mean 16MiB?"},
		{name: "a fraction is refused", text: "1.5GiB", problem: `got "1.5GiB"`},
		{name: "no size at all is refused", text: "", problem: `got ""`},
		{name: "a unit without a number is refused", text: "MiB", problem: `got "MiB"`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := bytesize.ParseSize(tc.text)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Fatalf("got %v, %v, want an error with %q", got, err, tc.problem)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %d, %v, want %d", got, err, tc.want)
			}
		})
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for size, want := range map[bytesize.Size]string{
		0: "0", 1: "1B", 1000: "1000B", 1024: "1KiB", 1536: "1536B", 100 * bytesize.GiB: "100GiB", -bytesize.MiB: "-1MiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d shows as %q, want %q", int64(size), got, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"0", "16MiB", "1kB", "-1B", "9223372036854775807B", "8388608TiB", "00B", "1.5GiB", "1 B"} {
		f.Add(seed)
	}
	pattern := regexp.MustCompile(bytesize.Pattern)
	f.Fuzz(func(t *testing.T, text string) {
		size, err := bytesize.ParseSize(text)
		if err != nil {
			if pattern.MatchString(text) && !strings.Contains(err.Error(), "want a size below") {
				t.Errorf("%q matches Pattern and is refused: %v", text, err)
			}
			return
		}
		if !pattern.MatchString(text) {
			t.Errorf("%q is read and does not match Pattern", text)
		}
		if again, err := bytesize.ParseSize(size.String()); err != nil || again != size || size < 0 {
			t.Errorf("%q is %d, written %s, read again as %d, %v", text, int64(size), size, int64(again), err)
		}
	})
}
