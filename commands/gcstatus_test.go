package commands_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/commands"
)

// TestTheStatusOfARunThatWasInterruptedFails: a watchdog that asks for it must not take half a run for one.
func TestTheStatusOfARunThatWasInterruptedFails(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	reg := newEmptyStore(t, root)
	if err := reg.Maintenance().KeepReport(t.Context(), []byte(`{"outcome": "interrupted"}`)); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := commands.Main(t.Context(), commands.IO{In: strings.NewReader(""), Out: &out, Err: &errs}, []string{"gc", "status", "--data", root})
	if want := "error: the last run of the collector was interrupted\nhint: sreg gc goes on with what it left\n"; code != 1 || errs.String() != want {
		t.Errorf("got exit code %d and %q, want 1 and %q", code, errs.String(), want)
	}
	if !strings.Contains(out.String(), "outcome\tinterrupted\n") {
		t.Errorf("got %q, want the outcome in it", out.String())
	}
}
