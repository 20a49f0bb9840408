package commands

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestAStartAsksOfAFewWhatANewcomerMay: each start and each reload waits for it, so it must not grow with users and
// repositories.
func TestAStartAsksOfAFewWhatANewcomerMay(t *testing.T) {
	allocations := func(n int) float64 {
		var config bytes.Buffer
		config.WriteString("policy: {default: deny, rules: [\"'ops' in identity.groups\"]}\nauth:\n  users:\n")
		for i := range n {
			fmt.Fprintf(&config, "    - {name: u%d, password_hash: %q, groups: [g%d]}\n", i, "$2y$05$/N3n9u5AYFFcOiEOKLtxL.KJ1ClCGN/8ZZk/eKZDbO0OEa5sAKBWm", i)
		}
		config.WriteString("repositories:\n")
		for i := range n {
			fmt.Fprintf(&config, "  - {name: r%d, policy: {default: deny, rules: [\"'o%d' in identity.groups\"]}}\n", i, i)
		}
		file := filepath.Join(t.TempDir(), "sreg.yaml")
		if err := os.WriteFile(file, config.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := loadPolicies(IO{Err: &bytes.Buffer{}}, source{files: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		known, err := l.users(IO{Err: &bytes.Buffer{}})
		if err != nil || len(known) != n {
			t.Fatalf("got %d users and %v, want %d", len(known), err, n)
		}
		return testing.AllocsPerRun(1, func() { l.first(known) })
	}
	few, many := allocations(firstAsked+firstRepositories), allocations(10*(firstAsked+firstRepositories))
	if many > 1.5*few {
		t.Errorf("got %.0f allocations for ten times as many users and repositories as the ones with %.0f, want about as many", many, few)
	}
}
