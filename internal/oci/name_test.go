package oci_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   string
		ok   bool
	}{
		{"one component is accepted", "nginx", true},
		{"several components are accepted", "a/b/c/d", true},
		{"digits alone are accepted", "0/1", true},
		{"each separator is accepted between letters", "a.b/a_b/a__b/a-b/a-----b", true},
		{"the longest name is accepted", strings.Repeat("a", 255), true},
		{"the longest name has slashes", strings.Repeat("a/", 127) + "a", true},
		{"a longer one with slashes is refused", strings.Repeat("a/", 127) + "ab", false},
		{"256 bytes are refused", strings.Repeat("a", 256), false},
		{"nothing is refused", "", false},
		{"a leading slash is refused", "/a", false},
		{"a trailing slash is refused", "a/", false},
		{"an empty component is refused", "a//b", false},
		{"upper case is refused", "A", false},
		{"two dots are refused", "a..b", false},
		{"three underscores are refused", "a___b", false},
		{"mixed separators are refused", "a-_b", false},
		{"a dot and a dash are refused", "a.-b", false},
		{"a component of a dot is refused", "a/./b", false},
		{"a parent folder is refused", "../a", false},
		{"a leading underscore is refused, so no name is one of the store's own", "_blobs", false},
		{"a trailing separator is refused", "a-", false},
		{"a leading separator is refused", "-a", false},
		{"a backslash is refused", `a\b`, false},
		{"a percent sign is refused", "a%2fb", false},
		{"a zero byte is refused", "a\x00b", false},
		{"letters beyond ASCII are refused", "é", false},
		{"a line feed at the end is refused", "a\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oci.ParseName(tt.in)
			if tt.ok && (err != nil || got.String() != tt.in) {
				t.Errorf("ParseName(%q) = %q, %v, want the same", tt.in, got, err)
			}
			if !tt.ok && (!errors.Is(err, oci.ErrNameInvalid) || !got.IsZero()) {
				t.Errorf("ParseName(%q) = %q, %v, want %v", tt.in, got, err, oci.ErrNameInvalid)
			}
		})
	}
}

func TestNameParent(t *testing.T) {
	t.Parallel()
	n, err := oci.ParseName("a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a/b", "a"} {
		parent, ok := n.Parent()
		if !ok || parent.String() != want {
			t.Fatalf("parent of %s = %s, %t, want %s", n, parent, ok, want)
		}
		n = parent
	}
	if parent, ok := n.Parent(); ok || !parent.IsZero() {
		t.Errorf("parent of %s = %s, want none", n, parent)
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"library/nginx", "a__b/c-----d", "a___b", "a//b", "", "_x", strings.Repeat("a/", 127) + "a", "a\n"} {
		f.Add(seed)
	}
	component := `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	grammar := regexp.MustCompile(`\A` + component + `(\/` + component + `)*\z`)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := oci.ParseName(s)
		want := grammar.MatchString(s) && len(s) <= 255
		if got := err == nil; got != want {
			t.Fatalf("ParseName(%q) error = %v, but the grammar says %t", s, err, want)
		}
		if err != nil {
			return
		}
		if n.String() != s {
			t.Fatalf("ParseName(%q) = %q", s, n)
		}
		if parent, ok := n.Parent(); ok {
			if again, err := oci.ParseName(parent.String()); err != nil || again != parent {
				t.Fatalf("parent %q of %q is no name: %v", parent, s, err)
			}
		}
	})
}

func TestANameSurvivesJSON(t *testing.T) {
	for text, ok := range map[string]bool{`"team/app"`: true, `"Team"`: false, `""`: false, `{}`: false} {
		var n oci.Name
		err := json.Unmarshal([]byte(text), &n)
		if (err == nil) != ok {
			t.Errorf("%s: got error %v, want accepted %v", text, err, ok)
			continue
		}
		if back, _ := json.Marshal(n); ok && string(back) != text {
			t.Errorf("got %s, want %s", back, text)
		}
	}
}

func TestWhatLiesWithinANamespace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, above string
		want        bool
	}{
		{"team", "team", true},
		{"team/app", "team", true},
		{"teams/app", "team", false},
		{"team", "team/app", false},
		{"team", "", true},
	} {
		name, err := oci.ParseName(c.name)
		if err != nil {
			t.Fatal(err)
		}
		var above oci.Name
		if c.above != "" {
			if above, err = oci.ParseName(c.above); err != nil {
				t.Fatal(err)
			}
		}
		if got := name.Within(above); got != c.want {
			t.Errorf("%q within %q: got %t, want %t", c.name, c.above, got, c.want)
		}
	}
}
