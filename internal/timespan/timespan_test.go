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
		if again, err := time.ParseDuration(got); err != nil || again != d {
			t.Errorf("%q is read as %v, %v, want %v", got, again, err, d)
		}
	}
}
