package bench

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCountedCallsAreReadOnceTheSummaryIsWhole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		calls      int
		whole      bool
	}{
		{"not written yet", "", 0, false},
		{"half written", "syscall              calls\n---------------- ---------\nfsync                 2100\n", 2100, false},
		{"whole", "syscall              calls\n---------------- ---------\nfsync                 2100\nfdatasync                8\nother                    5\n---------------- ---------\ntotal                 2113\n", 2108, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "summary")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			calls, whole, err := readSummary(file)
			if err != nil || calls != tt.calls || whole != tt.whole {
				t.Errorf("got %d, %v and %v, want %d and %v", calls, whole, err, tt.calls, tt.whole)
			}
		})
	}
}
