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
		"60 3 * * *":   "want the five fields of cron",
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
