package oci_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestParseTag(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   string
		ok   bool
	}{
		{"a word is accepted", "latest", true},
		{"a version is accepted", "v1.2.3-rc.1_x", true},
		{"upper case is accepted", "RELEASE", true},
		{"a leading underscore is accepted", "_", true},
		{"the tag of the referrers fallback is accepted", "sha256-" + strings.Repeat("a", 64), true},
		{"128 bytes are accepted", strings.Repeat("a", 128), true},
		{"129 bytes are refused", strings.Repeat("a", 129), false},
		{"nothing is refused", "", false},
		{"a leading dot is refused", ".a", false},
		{"a leading dash is refused", "-a", false},
		{"a colon is refused", "a:b", false},
		{"a slash is refused", "a/b", false},
		{"a plus is refused", "a+b", false},
		{"a space is refused", "a b", false},
		{"a zero byte is refused", "a\x00", false},
		{"letters beyond ASCII are refused", "ä", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oci.ParseTag(tt.in)
			if tt.ok && (err != nil || got.String() != tt.in) {
				t.Errorf("ParseTag(%q) = %q, %v, want the same", tt.in, got, err)
			}
			if !tt.ok && (!errors.Is(err, oci.ErrTagInvalid) || !got.IsZero()) {
				t.Errorf("ParseTag(%q) = %q, %v, want %v", tt.in, got, err, oci.ErrTagInvalid)
			}
		})
	}
}

func FuzzParseTag(f *testing.F) {
	for _, seed := range []string{"latest", "_", ".a", "-", "", strings.Repeat("Z", 129), "a\n", "a\x00"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		tag, err := oci.ParseTag(s)
		if got, want := err == nil, grammar.MatchString(s); got != want {
			t.Fatalf("ParseTag(%q) error = %v, but the grammar says %t", s, err, want)
		}
		if err == nil && tag.String() != s {
			t.Fatalf("ParseTag(%q) = %q", s, tag)
		}
	})
}

func TestATagSurvivesJSON(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{`"Latest"`: true, `"-"`: false, `""`: false, `{}`: false} {
		var tag oci.Tag
		err := json.Unmarshal([]byte(text), &tag)
		if (err == nil) != ok {
			t.Errorf("%s: got error %v, want accepted %v", text, err, ok)
			continue
		}
		if back, _ := json.Marshal(tag); ok && string(back) != text {
			t.Errorf("got %s, want %s", back, text)
		}
	}
}
