package oci_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

func TestParseReference(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		in       string
		isDigest bool
		want     error
	}{
		{"a tag is a tag", "latest", false, nil},
		{"a digest is a digest", emptySHA256, true, nil},
		{"what has a colon is never a tag", "v1:2", false, oci.ErrUnsupportedAlgorithm},
		{"a malformed digest is malformed", "sha256:baddigeststring", false, oci.ErrDigestInvalid},
		{"another algorithm is unsupported", "md5:00", false, oci.ErrUnsupportedAlgorithm},
		{"a malformed tag is malformed", "a b", false, oci.ErrTagInvalid},
		{"nothing is no reference", "", false, oci.ErrTagInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oci.ParseReference(tt.in)
			if !errors.Is(err, tt.want) {
				t.Fatalf("ParseReference(%q) error = %v, want %v", tt.in, err, tt.want)
			}
			if err == nil && (got.String() != tt.in || got.IsDigest() != tt.isDigest) {
				t.Errorf("ParseReference(%q) = %q, a digest: %t", tt.in, got, got.IsDigest())
			}
			if err != nil && !got.IsZero() {
				t.Errorf("ParseReference(%q) = %q beside an error, want none", tt.in, got)
			}
		})
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"latest", emptySHA256, "a:b", ":", "", "sha256-" + strings.Repeat("a", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := oci.ParseReference(s)
		if err != nil {
			if !r.IsZero() {
				t.Fatalf("ParseReference(%q) = %q beside %v", s, r, err)
			}
			return
		}
		if r.String() != s || r.Tag.IsZero() == r.Digest.IsZero() {
			t.Fatalf("ParseReference(%q) = tag %q, digest %q", s, r.Tag, r.Digest)
		}
	})
}
