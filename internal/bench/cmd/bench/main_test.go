package main

import (
	"io"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/bench"
)

func TestFlagsThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a report of some rows":     {[]string{"-write", "x.md", "-only", "idle"}, "-write: the report needs all rows"},
		"a report of a smoke run":   {[]string{"-write", "x.md", "-short"}, "-write: the report needs all rows"},
		"an unknown output":         {[]string{"-o", "yaml"}, `-o: want table or json, got "yaml"`},
		"an expression with a typo": {[]string{"-only", "("}, "-only: "},
		"no peer":                   {[]string{"-sreg", "sreg"}, "-peer: want the path of a built binary"},
		"no sreg":                   {[]string{"-peer", "registry"}, "-sreg: want the path of a built binary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), tc.args, io.Discard, io.Discard)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestTheExitCodeTellsOfMissedRows(t *testing.T) {
	t.Parallel()
	fine := []bench.Result{{ID: "a", Verdict: bench.Reached}, {ID: "b", Verdict: bench.Shown}}
	if err := verdict(fine); err != nil {
		t.Errorf("got %v, want none", err)
	}
	err := verdict(append(fine, bench.Result{ID: "c", Verdict: bench.Missed}))
	if want := "1 of 3 rows: [c missed]"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
