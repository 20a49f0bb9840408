package commands

import (
	"bytes"
	"testing"
)

// TestAPusherCannotWriteIntoATable: the name of somebody is what an identity provider says.
func TestAPusherCannotWriteIntoATable(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		io := IO{Out: &out, OutIsTerminal: terminal}
		if err := io.printTable([][]string{{"tag", "bob\x1b[2J\u009b\u202e\nkind\tref\r"}}); err != nil {
			t.Error(err)
		}
		gap := "\t"
		if terminal {
			gap = "  "
		}
		wantText(t, out.String(), "tag"+gap+"bob\ufffd[2J\ufffd\ufffd\ufffdkind\ufffdref\ufffd\n")
	}
}
