package timespan_test

import (
	"testing"
	"time"

	"github.com/sreg-project/sreg/internal/timespan"
)

func TestText(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 10 * time.Second: "10s", time.Minute: "1m", 10 * time.Minute: "10m", 90 * time.Second: "1m30s",
		time.Hour: "1h", 24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s", time.Hour + 10*time.Minute: "1h10m",
		-time.Hour: "-1h", 1500 * time.Millisecond: "1.5s",
	} {
		got := timespan.Text(d)
		if got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
		if again, err := timespan.Parse(got); err != nil || again != d {
			t.Errorf("%q is read as %v, %v, want %v", got, again, err, d)
		}
	}
}

func TestDaysAreDurations(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"1d": day, "7d": 7 * day, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, ".5d": 12 * time.Hour, "0d": 0, "-3d": -3 * day, "+1d": day,
		"-1d1h": -25 * time.Hour, "90m": 90 * time.Minute, "0": 0, "-72h": -72 * time.Hour, "106751d": 106751 * day,
	} {
		if got, err := timespan.Parse(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "1 d", "1d2", "1h2d", "1d2d", "1d-1h", "--1d", "1e3d", "1day", "106752d", "106751d24h", "999999999999999999999d", "one"} {
		if got, err := timespan.Parse(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1d", "-1d12h", "1.5d", "24h", "1d2d", "106751d23h47m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := timespan.Parse(text)
		if err != nil {
			return
		}
		if again, err := timespan.Parse(timespan.Text(d)); err != nil || again != d {
			t.Errorf("%q is %v, and %q of that %v, %v", text, d, timespan.Text(d), again, err)
		}
	})
}
