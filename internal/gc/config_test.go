package gc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
)

func TestAShareIsAPercentage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"0%": 0, "12.5%": 12.5, "100%": 100} {
		if got, err := gc.ParseShare(text); err != nil || got != want {
			t.Errorf("%q: got %g, %v, want %g", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "20", "-1%", "100.1%", "NaN%", "+Inf%", "20 %", "20%%", "a fifth"} {
		if got, err := gc.ParseShare(text); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%q: got %g, %v, want an error that quotes it", text, got, err)
		}
	}
	if _, err := gc.New(gc.Options{Config: gc.Config{MaxDelete: "all"}}); err == nil || !strings.HasPrefix(err.Error(), "gc.max_delete: ") {
		t.Errorf("got %v, want an error that names the key", err)
	}
}

func TestAScheduleThatNeverComesIsAMistake(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":             "",
		"30 3 * * *":   "",
		"@daily":       "",
		"@every 90m":   "",
		"30 3 * *":     "want the five fields of cron",
		"60 3 * * *":   `want the five fields of cron, such as "30 3 * * *", or @daily, got "60 3 * * *": end of range (60) above maximum (59): 60; field 1 is the minute, from 0 to 59`,
		"0 24 * * *":   `want the five fields of cron, such as "30 3 * * *", or @daily, got "0 24 * * *": end of range (24) above maximum (23): 24; field 2 is the hour, from 0 to 23`,
		"0 0 0 * *":    `want the five fields of cron, such as "30 3 * * *", or @daily, got "0 0 0 * *": beginning of range (0) below minimum (1): 0; field 3 is the day of the month, from 1 to 31`,
		"0 0 * 13 *":   `want the five fields of cron, such as "30 3 * * *", or @daily, got "0 0 * 13 *": end of range (13) above maximum (12): 13; field 4 is the month, from 1 to 12 or jan to dec`,
		"0 0 * * 7":    `want the five fields of cron, such as "30 3 * * *", or @daily, got "0 0 * * 7": end of range (7) above maximum (6): 7; field 5 is the day of the week, from 0 to 6 or sun to sat; 0 is Sunday`,
		"every night":  "want the five fields of cron",
		"0 0 30 2 *":   "want a time that comes",
		"* * * * * * ": "want the five fields of cron",
	} {
		cfg := gc.DefaultConfig()
		cfg.Schedule = text
		var got []string
		cfg.Validate(func(path, problem string) { got = append(got, path+": "+problem) })
		if want == "" && len(got) > 0 || want != "" && !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, "schedule: "+want) }) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
