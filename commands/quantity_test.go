package commands

import (
	"testing"
	"time"
)

func TestWhatIsSaidOfSizesAndTimes(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 3 << 30: "3.0 GiB", 2 << 40: "2.0 TiB", 5 << 50: "5120.0 TiB",
	} {
		if got := sized(bytes); got != want {
			t.Errorf("%d bytes: got %q, want %q", bytes, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 119 * time.Second: "119 seconds", 2 * time.Minute: "2 minutes", 119 * time.Minute: "119 minutes",
		47 * time.Hour: "47 hours", 72 * time.Hour: "3 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestHowLongARunTook(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{0.1835739: "184ms", 1.6116331: "1.61s", 75.4: "1m15s"} {
		wantText(t, took(seconds), want)
	}
}
