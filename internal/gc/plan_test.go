package gc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/gc"
	"github.com/sreg-project/sreg/internal/gc/gctest"
)

func TestAPlanOfNothingHasListsThatAreEmpty(t *testing.T) {
	t.Parallel()
	w := gctest.New(t, options())
	report, err := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("got %s and %v, want no null", text, err)
	}
}

// TestAPlanComesOutTheSameEachTime: whoever compares two plans should see what has changed in the store.
func TestAPlanComesOutTheSameEachTime(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.GC.Concurrency = 16
	w := gctest.New(t, opts)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		w.Play("image " + name + " app base " + name + "x\n image s" + name + " other subject=" + name + " base")
	}
	w.Play("wait 2h")
	var first string
	for range 20 {
		w.Open()
		report, err := w.Collector.Run(t.Context(), gc.RunOptions{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(report.Plan)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(text)
		}
		if string(text) != first {
			t.Fatalf("got %s, then %s", first, text)
		}
	}
}
