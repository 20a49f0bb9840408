package oci_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/sreg-project/sreg/internal/oci"
)

const emptySHA256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParseDigest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   string
		want error
	}{
		{"a sha256 digest is accepted", emptySHA256, nil},
		{"a sha512 digest is accepted", "sha512:" + strings.Repeat("0a", 64), nil},
		{"nothing is malformed", "", oci.ErrDigestInvalid},
		{"a sum without an algorithm is malformed", emptySHA256[7:], oci.ErrDigestInvalid},
		{"an algorithm without a sum is malformed", "sha256:", oci.ErrDigestInvalid},
		{"a short sum is malformed", emptySHA256[:70], oci.ErrDigestInvalid},
		{"a long sum is malformed", emptySHA256 + "0", oci.ErrDigestInvalid},
		{"a sum of the other algorithm's length is malformed", "sha512:" + emptySHA256[7:], oci.ErrDigestInvalid},
		{"upper-case hex is malformed", strings.ToUpper(emptySHA256[:7]) + emptySHA256[7:], oci.ErrDigestInvalid},
		{"an upper-case sum is malformed", "sha256:" + strings.ToUpper(emptySHA256[7:]), oci.ErrDigestInvalid},
		{"a sum that is not hex is malformed", "sha256:" + strings.Repeat("g", 64), oci.ErrDigestInvalid},
		{"a path in the sum is malformed", "sha256:../" + strings.Repeat("a", 61), oci.ErrDigestInvalid},
		{"a second colon is malformed", "sha256:" + strings.Repeat("a", 31) + ":" + strings.Repeat("a", 32), oci.ErrDigestInvalid},
		{"a zero byte is malformed", emptySHA256[:70] + "\x00", oci.ErrDigestInvalid},
		{"another algorithm of the right form is unsupported", "md5:d41d8cd98f00b204e9800998ecf8427e", oci.ErrUnsupportedAlgorithm},
		{"an algorithm of several parts is unsupported", "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", oci.ErrUnsupportedAlgorithm},
		{"an algorithm with two separators in a row is malformed", "a..b:00", oci.ErrDigestInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := oci.ParseDigest(tt.in)
			if !errors.Is(err, tt.want) {
				t.Fatalf("ParseDigest(%q) error = %v, want %v", tt.in, err, tt.want)
			}
			if err == nil && got.String() != tt.in {
				t.Errorf("ParseDigest(%q) = %q, want the same", tt.in, got)
			}
			if err != nil && !got.IsZero() {
				t.Errorf("ParseDigest(%q) = %q beside an error, want none", tt.in, got)
			}
		})
	}
}

func TestDigestOf(t *testing.T) {
	t.Parallel()
	d := oci.DigestOf(oci.SHA256, nil)
	if d.String() != emptySHA256 {
		t.Errorf("DigestOf(sha256, nothing) = %s, want %s", d, emptySHA256)
	}
	if d.Algorithm() != oci.SHA256 || d.Hex() != emptySHA256[7:] {
		t.Errorf("parts of %s = %s and %s", d, d.Algorithm(), d.Hex())
	}
	long := oci.DigestOf(oci.SHA512, []byte("x"))
	if again, err := oci.ParseDigest(long.String()); err != nil || again != long {
		t.Errorf("ParseDigest(%s) = %s, %v, want the same", long, again, err)
	}
}

func TestDigestInJSON(t *testing.T) {
	t.Parallel()
	var d oci.Digest
	if err := json.Unmarshal([]byte(`"`+emptySHA256+`"`), &d); err != nil || d.String() != emptySHA256 {
		t.Errorf("a digest was read as %q, %v", d, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `"`+emptySHA256+`"` {
		t.Errorf("a digest was written as %s, %v", b, err)
	}
	for _, in := range []string{`""`, `"sha256:00"`, `5`} {
		if err := json.Unmarshal([]byte(in), &d); err == nil {
			t.Errorf("%s was read as a digest, want an error", in)
		}
	}
}

func FuzzParseDigest(f *testing.F) {
	for _, seed := range []string{emptySHA256, "sha512:" + strings.Repeat("0a", 64), "sha256:", "md5:00", ":", "a+b:=", "sha256:\x00"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`\A(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\z`)
	wellFormed := regexp.MustCompile(`\A[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+\z`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := oci.ParseDigest(s)
		if accepted := err == nil; accepted != grammar.MatchString(s) {
			t.Fatalf("ParseDigest(%q) error = %v, but the grammar says %t", s, err, !accepted)
		}
		if errors.Is(err, oci.ErrUnsupportedAlgorithm) && !wellFormed.MatchString(s) {
			t.Fatalf("ParseDigest(%q) error = %v, but it is malformed", s, err)
		}
		if err == nil && d.String() != string(d.Algorithm())+":"+d.Hex() {
			t.Fatalf("ParseDigest(%q) has the parts %s and %s", s, d.Algorithm(), d.Hex())
		}
	})
}
