package registry_test

import (
	"os"
	"testing"

	"github.com/sreg-project/sreg/internal/storage/fs"
	"github.com/sreg-project/sreg/internal/storage/memory"
)

// opener opens one store, as one more process.
type opener func(t *testing.T) backend

// inMemory is a new store in memory.
func inMemory(*testing.T) opener {
	s := memory.New(memory.Options{})
	return func(*testing.T) backend { return s }
}

// inFolder is a new folder.
func inFolder(t *testing.T) opener {
	t.Helper()
	root := t.TempDir()
	return func(t *testing.T) backend {
		t.Helper()
		s, err := fs.New(fs.Config{Root: root}, fs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// where says in which stores a proof breaks something, and before which of its steps.
type where struct {
	at           func(t *testing.T) opener
	first, every int // in steps
}

// everywhere proves something in memory at every step, and in folders at some, which are others from turn to
// turn. In the slow set those are all, too.
func everywhere(t *testing.T, name string, turn int, prove func(t *testing.T, w where)) {
	t.Helper()
	// No schedule of these tests repeats itself after so many steps.
	every := sparse(11, 1)
	for in, w := range map[string]where{
		"in memory":  {inMemory, 1, 1},
		"in folders": {inFolder, 1 + turn%every, every},
	} {
		t.Run(name+", "+in, func(t *testing.T) {
			t.Parallel()
			prove(t, w)
		})
	}
}

// sparse is every how many steps something is broken where each costs much: the slow set breaks more of them.
func sparse(quick, slow int) int {
	if os.Getenv("SREG_TEST_ALL") == "1" {
		return slow
	}
	return quick
}
